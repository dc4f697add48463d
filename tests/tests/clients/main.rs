//! Clients in other languages, as people run them: our own library in a real browser, and stock NATS clients that know nothing of us. What they need is
//! fetched by `make test`; where it isn't there, CI fails, and another machine says so and passes.

mod app;
mod browser;
mod script;
mod served;
mod stock;
