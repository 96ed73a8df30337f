//! `pushX`: rows as stock RxDB sends them.
