//! Mail: accepts, stores, pushes, gives history, deletes.
