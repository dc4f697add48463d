#![no_main]
//! See [`kez_fuzz::request_jwt`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| kez_fuzz::request_jwt(data));
