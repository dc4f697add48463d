#![no_main]
//! See [`kez_fuzz::registration`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| kez_fuzz::registration(data));
