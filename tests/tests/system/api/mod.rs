//! The routes: what is answered, and what isn't there.

mod answers;
mod registration;
mod routes;
mod session;
mod web;
mod webfinger;
