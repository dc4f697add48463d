//! The routes: what is answered, and what isn't there.

mod answers;
mod page;
mod registration;
mod routes;
mod session;
mod webfinger;
