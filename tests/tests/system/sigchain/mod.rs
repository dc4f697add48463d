//! Identity logs over HTTP: `/v1/sigchains/…`, and what a rotation does to a handle.

mod append;
mod race;
mod read;
mod release;
mod rotate;
