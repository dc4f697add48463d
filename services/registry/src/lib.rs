//! Handles and keys: an ordered log is the truth, sled is its index.
