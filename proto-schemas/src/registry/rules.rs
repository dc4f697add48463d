//! What applying one entry of the log does.

use serde_json::value::RawValue;

use super::{Binding, Entry, Holding, RULES, Ruling, Standing, Vacancy};
use crate::{
    Code, Handle, Primary, ServerName, Timestamp,
    identity::{Event, Key, Op},
    limits_order::LimitsOrder,
    order::{Action, Order},
    registration::Registration,
    release::Release,
};

/// What applying one entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, one at a time")]
pub enum Effect {
    /// Take the deployment's server name.
    Genesis(ServerName),
    /// Add this binding.
    Bind(Binding),
    /// The handle is this binding's key's from now on, and the earlier key can have none any more.
    Rebind {
        /// The earlier key.
        from: Primary,
        /// The binding.
        to: Binding,
    },
    /// Remove the handle's binding.
    Release(Vacancy),
    /// Take this key as the operator's.
    Operator(Primary),
    /// Do what the operator ordered.
    Order(Verdict),
    /// Have these limits in the place of those that were ordered before.
    Limits(Ruling),
    /// Nothing, because of this; for a request, its answer.
    Nothing(Code),
}

/// What an order does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The handle's standing from now on.
    pub standing: Standing,
    /// What is left of its binding, if it is given back.
    pub vacancy: Option<Vacancy>,
}

/// What the rules may ask about the state before the entry.
pub trait Bindings {
    /// Failure of the store behind it.
    type Error;
    /// The server name of the genesis entry, once applied.
    fn server(&self) -> Option<&ServerName>;
    /// What has become of this handle; `None` if nobody ever had it.
    fn by_handle(&self, handle: &Handle) -> Result<Option<Holding>, Self::Error>;
    /// What handle this key has.
    fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Self::Error>;
    /// The handle that this key gave to another one.
    fn retired(&self, primary: &Primary) -> Result<Option<Handle>, Self::Error>;
    /// The operator's key, once an entry has named it.
    fn operator(&self) -> Result<Option<Primary>, Self::Error>;
    /// What the operator ordered last about this handle.
    fn standing(&self, handle: &Handle) -> Result<Option<Standing>, Self::Error>;
    /// What the operator ordered last about limits.
    fn ruling(&self) -> Result<Option<Ruling>, Self::Error>;
}

/// Applies one entry to a state: `bytes` as logged, `at` as the stream's own clock stamped it.
pub fn apply<B: Bindings>(state: &B, bytes: &[u8], at: Timestamp) -> Result<Effect, B::Error> {
    let entry = match serde_json::from_slice(bytes) {
        Ok(entry) => entry,
        Err(_) => return Ok(Effect::Nothing(Code::MalformedJson)),
    };
    let effect = match (entry, state.server()) {
        (Entry::Genesis { rules: RULES, server }, None) => Ok(Effect::Genesis(server)),
        (Entry::Registration { rules: RULES, envelope }, Some(server)) => {
            match fresh_registration(&envelope, server, at) {
                Ok(registration) => bind(state, &registration, at)?.map(Effect::Bind),
                Err(code) => Err(code),
            }
        }
        (Entry::Rebind { rules: RULES, handle, event }, Some(_)) => {
            match Rotation::verify(event.get().as_bytes()) {
                Ok(rotation) => rebind(state, &rotation, at)?.and_then(|to| {
                    let named = to.handle == handle;
                    if named {
                        Ok(Effect::Rebind { from: rotation.from, to })
                    } else {
                        Err(Code::UnknownHandle)
                    }
                }),
                Err(code) => Err(code),
            }
        }
        (Entry::Release { rules: RULES, envelope }, Some(server)) => {
            match fresh_release(&envelope, server, at) {
                Ok(release) => vacate(state, &release, at)?.map(Effect::Release),
                Err(code) => Err(code),
            }
        }
        (Entry::Operator { rules: RULES, primary }, Some(_)) => Ok(Effect::Operator(primary)),
        (Entry::Order { rules: RULES, envelope }, Some(server)) => match fresh_order(&envelope, server, at) {
            Ok(order) => judge(state, &order, at)?.map(Effect::Order),
            Err(code) => Err(code),
        },
        (Entry::Limits { rules: RULES, envelope }, Some(server)) => {
            match fresh_limits(&envelope, server, at) {
                Ok(order) => rule(state, &order)?.map(Effect::Limits),
                Err(code) => Err(code),
            }
        }
        _ => Err(Code::WrongVersion),
    };
    Ok(effect.unwrap_or_else(Effect::Nothing))
}

fn fresh_registration(envelope: &RawValue, server: &ServerName, at: Timestamp) -> Result<Registration, Code> {
    let registration = Registration::verify(envelope.get().as_bytes(), server)?;
    registration.check_fresh(at)?;
    Ok(registration)
}

fn fresh_release(envelope: &RawValue, server: &ServerName, at: Timestamp) -> Result<Release, Code> {
    let release = Release::verify(envelope.get().as_bytes(), server)?;
    release.check_fresh(at)?;
    Ok(release)
}

fn fresh_order(envelope: &RawValue, server: &ServerName, at: Timestamp) -> Result<Order, Code> {
    let order = Order::verify(envelope.get().as_bytes(), server)?;
    order.check_fresh(at)?;
    Ok(order)
}

fn fresh_limits(envelope: &RawValue, server: &ServerName, at: Timestamp) -> Result<LimitsOrder, Code> {
    let order = LimitsOrder::verify(envelope.get().as_bytes(), server)?;
    order.check_fresh(at)?;
    Ok(order)
}

/// The binding that a registration makes at this time, or why it makes none: `handle_taken`, `handle_released`, `stale_timestamp` (signed before the handle
/// was given back), `primary_taken`, `key_retired`. The very envelope that bound the handle is refused too: ask for its binding first.
pub fn bind<B: Bindings>(
    state: &B,
    registration: &Registration,
    at: Timestamp,
) -> Result<Result<Binding, Code>, B::Error> {
    let Registration { handle, primary, created_at, digest } = registration.clone();
    let refused = match state.by_handle(&handle)? {
        Some(Holding::Bound(_)) => Some(Code::HandleTaken),
        Some(Holding::Vacant(vacancy)) if vacancy.primary != primary || at >= vacancy.reserved_until() => {
            Some(Code::HandleReleased)
        }
        Some(Holding::Vacant(vacancy)) if created_at <= vacancy.signed_at => Some(Code::StaleTimestamp),
        _ if state.by_primary(&primary)?.is_some() => Some(Code::PrimaryTaken),
        _ if state.retired(&primary)?.is_some() => Some(Code::KeyRetired),
        _ => None,
    };
    Ok(refused.map_or(Ok(Binding { handle, primary, registered_at: at, signed_at: created_at, digest }), Err))
}

/// What a release leaves at this time, or why it does nothing: `unknown_handle`, `not_owner`, `stale_timestamp` (signed before the registration, or in the
/// same second).
pub fn vacate<B: Bindings>(
    state: &B,
    release: &Release,
    at: Timestamp,
) -> Result<Result<Vacancy, Code>, B::Error> {
    let Release { handle, primary, created_at, digest } = release.clone();
    let refused = match state.by_handle(&handle)?.and_then(Holding::bound) {
        None => Some(Code::UnknownHandle),
        Some(binding) if binding.primary != primary => Some(Code::NotOwner),
        Some(binding) if created_at <= binding.signed_at => Some(Code::StaleTimestamp),
        Some(_) => None,
    };
    Ok(refused.map_or(Ok(Vacancy { handle, primary, released_at: at, signed_at: created_at, digest }), Err))
}

/// What an order does at this time, or why it does nothing: `not_operator`, `stale_timestamp` (signed before the last one about this handle, or in the same
/// second), `unknown_handle` (nobody ever had it, or, for a release, nobody has it), and for a release what [`vacate`] says.
pub fn judge<B: Bindings>(
    state: &B,
    order: &Order,
    at: Timestamp,
) -> Result<Result<Verdict, Code>, B::Error> {
    let Order { action, handle, primary, created_at, digest } = order.clone();
    if state.operator()? != Some(primary) {
        return Ok(Err(Code::NotOperator));
    }
    let before = state.standing(&handle)?;
    if before.as_ref().is_some_and(|before| created_at <= before.signed_at) {
        return Ok(Err(Code::StaleTimestamp));
    }
    let Some(holding) = state.by_handle(&handle)? else { return Ok(Err(Code::UnknownHandle)) };
    let suspended = match action {
        Action::Suspend => true,
        Action::Lift => false,
        Action::Release => before.is_some_and(|before| before.suspended),
    };
    let standing =
        Standing { handle: handle.clone(), suspended, signed_at: created_at, digest: digest.clone() };
    let vacancy = match (action, holding.bound()) {
        (Action::Release, None) => return Ok(Err(Code::UnknownHandle)),
        (Action::Release, Some(Binding { primary, .. })) => {
            let release = Release { handle, primary, created_at, digest };
            match vacate(state, &release, at)? {
                Ok(vacancy) => Some(vacancy),
                Err(code) => return Ok(Err(code)),
            }
        }
        _ => None,
    };
    Ok(Ok(Verdict { standing, vacancy }))
}

/// What an order about limits leaves, or why it does nothing: `not_operator`, `stale_timestamp` (signed before the last one, or in the same second).
pub fn rule<B: Bindings>(state: &B, order: &LimitsOrder) -> Result<Result<Ruling, Code>, B::Error> {
    let LimitsOrder { limits, primary, created_at, digest } = order.clone();
    if state.operator()? != Some(primary) {
        return Ok(Err(Code::NotOperator));
    }
    let before = state.ruling()?;
    if before.is_some_and(|before| created_at <= before.signed_at) {
        return Ok(Err(Code::StaleTimestamp));
    }
    Ok(Ok(Ruling { limits, signed_at: created_at, digest }))
}

/// A `rotate` of an identity log from one key that may have a handle to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key that signed.
    pub from: Primary,
    /// The key that proved that it wants to be the next.
    pub to: Primary,
}

impl Rotation {
    /// Reads an event's bytes. Errors: those of [`Event::verify`], `invalid_event` (no rotation), `handle_needs_ed25519`.
    pub fn verify(bytes: &[u8]) -> Result<Self, Code> {
        let event = Event::verify(bytes)?;
        match (event.primary, event.op) {
            (Key::Ed25519(from), Op::Rotate { new_primary: Key::Ed25519(to), .. }) => Ok(Self { from, to }),
            (_, Op::Rotate { .. }) => Err(Code::HandleNeedsEd25519),
            _ => Err(Code::InvalidEvent),
        }
    }
}

/// The binding that a rotation makes of its key's at this time, or why it makes none: `unknown_primary` (the key has no handle, or none any more), `primary_taken`,
/// `key_retired`.
pub fn rebind<B: Bindings>(
    state: &B,
    rotation: &Rotation,
    at: Timestamp,
) -> Result<Result<Binding, Code>, B::Error> {
    let Rotation { from, to } = *rotation;
    Ok(match state.by_primary(&from)? {
        None => Err(Code::UnknownPrimary),
        Some(_) if state.by_primary(&to)?.is_some() => Err(Code::PrimaryTaken),
        Some(_) if state.retired(&to)?.is_some() => Err(Code::KeyRetired),
        Some(binding) => Ok(Binding { primary: to, registered_at: at, ..binding }),
    })
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
