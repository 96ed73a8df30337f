//! What runs by time: nobody asked for it, so it sees everything, and on several processes one leads. It
//! knows the domain and no API.

pub mod stats;
