//! What is asked of a registration before it is logged, and how its outcome is read afterwards. The log's readers decide alone; admission
//! keeps out what they would refuse, and what may change with configuration or time.

use kez_proto::{
    Code, Problem, ServerName, Timestamp, limits,
    registration::Registration,
    registry::{Binding, Bindings, Holding, Rotation, Vacancy, bind},
    release::Release,
};

/// A registration that may go on.
#[derive(Debug)]
pub enum Admission {
    /// This very envelope bound the handle before: a retry, answered alike however old it is.
    Known(Binding),
    /// To be logged.
    New(Registration),
}

/// Checks an envelope's bytes against the index and the service's clock.
pub fn admit<B>(state: &B, server: &ServerName, bytes: &[u8], now: Timestamp) -> Result<Admission, Problem>
where
    B: Bindings<Error: Into<Problem>>,
{
    // Before anything is parsed.
    if bytes.len() > limits::REGISTRATION_BYTES {
        return Err(Code::TooLarge.into());
    }
    let registration = Registration::verify(bytes, server)?;
    // Read before it is asked what this envelope bound: that may happen between the two, and then it isn't a conflict.
    let bound_now = bind(state, &registration, now).map_err(Into::into)?;
    if let Some(binding) = bound(state, &registration)? {
        return Ok(Admission::Known(binding));
    }
    registration.check_fresh(now)?;
    if registration.handle.is_reserved() {
        return Err(Code::ReservedHandle.into());
    }
    bound_now?;
    Ok(Admission::New(registration))
}

/// What became of a registration once the index has applied it, at this time. The only rule that can still have refused it without a trace is the one about
/// the stream's clock.
pub fn outcome<B>(state: &B, registration: &Registration, now: Timestamp) -> Result<Binding, Problem>
where
    B: Bindings<Error: Into<Problem>>,
{
    match bound(state, registration)? {
        Some(binding) => Ok(binding),
        None => {
            let refused = bind(state, registration, now).map_err(Into::into)?.err();
            Err(refused.unwrap_or(Code::StaleTimestamp).into())
        }
    }
}

/// The handle's binding if this very envelope made it, and its key still has it.
fn bound<B>(state: &B, registration: &Registration) -> Result<Option<Binding>, Problem>
where
    B: Bindings<Error: Into<Problem>>,
{
    let holding = state.by_handle(&registration.handle).map_err(Into::into)?;
    Ok(holding
        .and_then(Holding::bound)
        .filter(|b| b.digest == registration.digest && b.primary == registration.primary))
}

/// The new key's binding if this rotation made it.
pub fn rebound<B>(state: &B, rotation: &Rotation) -> Result<Option<Binding>, Problem>
where
    B: Bindings<Error: Into<Problem>>,
{
    let left = state.retired(&rotation.from).map_err(Into::into)?;
    let binding = state.by_primary(&rotation.to).map_err(Into::into)?;
    Ok(binding.filter(|binding| left.as_ref() == Some(&binding.handle)))
}

/// What this very envelope left of the handle.
pub fn vacated<B>(state: &B, release: &Release) -> Result<Option<Vacancy>, Problem>
where
    B: Bindings<Error: Into<Problem>>,
{
    match state.by_handle(&release.handle).map_err(Into::into)? {
        Some(Holding::Vacant(vacancy)) if vacancy.digest == release.digest => Ok(Some(vacancy)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kez_proto::{
        Handle, Primary,
        registry::{Ruling, Standing},
    };

    use super::*;
    use crate::{
        damage::Error,
        index::Index,
        testing::{NOW, Person, entry, genesis, log},
        writing::Logged,
    };

    /// An index that applies an entry behind the back of whoever reads it, after the first read.
    struct Moving<'a>(&'a Index, Cell<Option<Logged>>);

    impl Bindings for Moving<'_> {
        type Error = Error;

        fn server(&self) -> Option<&ServerName> {
            self.0.server()
        }

        fn by_handle(&self, handle: &Handle) -> Result<Option<Holding>, Error> {
            let found = self.0.by_handle(handle);
            if let Some(entry) = self.1.take() {
                self.0.apply(&[entry])?;
            }
            found
        }

        fn by_primary(&self, primary: &Primary) -> Result<Option<Binding>, Error> {
            self.0.by_primary(primary)
        }

        fn retired(&self, primary: &Primary) -> Result<Option<Handle>, Error> {
            self.0.retired(primary)
        }

        fn operator(&self) -> Result<Option<Primary>, Error> {
            self.0.operator()
        }

        fn standing(&self, handle: &Handle) -> Result<Option<Standing>, Error> {
            self.0.standing(handle)
        }

        fn ruling(&self) -> Result<Option<Ruling>, Error> {
            self.0.ruling()
        }
    }

    #[test]
    fn an_envelope_that_is_bound_while_it_is_judged_is_no_conflict() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path(), &log("e1", 0)).unwrap().unwrap();
        index.apply(&[genesis(1)]).unwrap();
        let alice = Person::new(1, "alice");
        let state = Moving(&index, Cell::new(Some(entry(2, &alice.registration()))));
        let server = "kez.lat".parse().unwrap();
        let admitted = admit(&state, &server, &alice.registration(), NOW.parse().unwrap());
        assert!(matches!(admitted, Ok(Admission::Known(binding)) if binding.handle == alice.handle));
    }

    #[test]
    fn who_is_let_in_and_what_became_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path(), &log("e1", 0)).unwrap().unwrap();
        let (alice, server) = (Person::new(1, "alice"), "kez.lat".parse().unwrap());
        index.apply(&[genesis(1), entry(2, &alice.registration())]).unwrap();

        let at =
            |seconds: i64| Timestamp::from_unix(NOW.parse::<Timestamp>().unwrap().unix() + seconds).unwrap();
        let admit = |person: &Person, now| admit(&index, &server, &person.registration(), now);
        let code = |outcome: Result<Admission, Problem>| outcome.unwrap_err().code;
        assert!(matches!(admit(&alice, at(86_400)), Ok(Admission::Known(b)) if b.handle == alice.handle));
        assert!(matches!(admit(&Person::new(2, "bobby"), at(300)), Ok(Admission::New(_))));
        assert_eq!(code(admit(&Person::new(2, "bobby"), at(301))), Code::StaleTimestamp);
        assert_eq!(code(admit(&Person::new(2, "alice"), at(0))), Code::HandleTaken);
        assert_eq!(code(admit(&Person::new(1, "alice-2"), at(0))), Code::PrimaryTaken);
        assert_eq!(code(admit(&Person::new(2, "admin"), at(0))), Code::ReservedHandle);
        assert_eq!(
            code(super::admit(&index, &server, &[b'['; limits::REGISTRATION_BYTES + 1], at(0))),
            Code::TooLarge
        );

        let read = |person: &Person| {
            let registration = Registration::verify(&person.registration(), &server).unwrap();
            outcome(&index, &registration, at(0)).map(|b| b.handle).map_err(|problem| problem.code)
        };
        assert_eq!(read(&alice), Ok(alice.handle.clone()));
        assert_eq!(read(&Person::new(2, "alice")), Err(Code::HandleTaken));
        assert_eq!(read(&Person::new(1, "alice-2")), Err(Code::PrimaryTaken));
        assert_eq!(read(&Person::new(2, "bobby")), Err(Code::StaleTimestamp));
    }
}
