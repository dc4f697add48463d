#![no_main]
//! See [`kez_fuzz::auth_header`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| kez_fuzz::auth_header(data));
