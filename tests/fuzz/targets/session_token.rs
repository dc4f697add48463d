#![no_main]
//! See [`kez_fuzz::session_token`].

libfuzzer_sys::fuzz_target!(|data: &[u8]| kez_fuzz::session_token(data));
