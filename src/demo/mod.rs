//! A sales team made up.
