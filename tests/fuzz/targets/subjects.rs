#![no_main]
//! See [`kez_fuzz::subjects`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| kez_fuzz::subjects(data));
