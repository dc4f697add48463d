//! Disks that can't be written: at the start, and filled up while the server runs; and one whose power is cut.

mod filled;
mod index;
mod power;
mod start;
