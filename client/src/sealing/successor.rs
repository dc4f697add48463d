//! Whether an identity log proves that a key follows another.

use kez_proto::{
    Primary,
    identity::{Chain, Key},
};

/// Whether these events, from the first one on, are a chain that was under `from` and later came under `to`, which is the key in force. Whoever serves the
/// events needn't be trusted: the change is signed by both keys.
pub fn is_successor<B: AsRef<[u8]>>(
    events: impl IntoIterator<Item = B>,
    from: &Primary,
    to: &Primary,
) -> bool {
    let Ok(chain) = Chain::verify(events) else { return false };
    let before = chain.keys().split_last().map_or(&[][..], |(_, before)| before);
    chain.primary() == Key::from(*to) && before.iter().any(|period| period.key == Key::from(*from))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use kez_proto::identity::{Event, Op};

    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }
    fn primary(n: u8) -> Primary {
        crate::Identity::from_seed(&[n; 32]).primary()
    }

    /// A chain that was under these keys, one after the other.
    fn chain(keys: &[u8]) -> Vec<Vec<u8>> {
        let op = Op::AddDevice { device: "phone".into(), name: "Phone".into() };
        let first = Event::sign(None, &op, crate::now(), &key(keys[0])).unwrap();
        let mut events = vec![serde_json::to_vec(&first).unwrap()];
        for pair in keys.windows(2) {
            let chain = Chain::verify(&events).unwrap();
            let next = Event::sign_rotation(&chain, crate::now(), &key(pair[0]), &key(pair[1])).unwrap();
            events.push(serde_json::to_vec(&next).unwrap());
        }
        events
    }

    #[test]
    fn a_key_follows_those_before_it() {
        let events = chain(&[1, 2, 3]);
        assert!(is_successor(&events, &primary(1), &primary(3)));
        assert!(is_successor(&events, &primary(2), &primary(3)));
        assert!(is_successor(&events[..2], &primary(1), &primary(2)));
    }

    #[test]
    fn nothing_else_is_proven() {
        let events = chain(&[1, 2, 3]);
        for (from, to, why) in [
            (1, 2, "a key that isn't in force any more"),
            (3, 1, "the way back"),
            (3, 3, "no change"),
            (4, 3, "a key that isn't of this chain"),
            (1, 4, "another key in force"),
        ] {
            assert!(!is_successor(&events, &primary(from), &primary(to)), "{why}");
        }
        let (from, to) = (primary(1), primary(3));
        assert!(!is_successor::<Vec<u8>>([], &from, &to), "no event");
        assert!(!is_successor(&events[1..], &from, &to), "a chain without its beginning");
        let mut gap = events.clone();
        gap.remove(1);
        assert!(!is_successor(&gap, &from, &to), "a chain with a gap");
        for at in 0..events.len() {
            let mut forged = events.clone();
            forged[at] =
                String::from_utf8(forged[at].clone()).unwrap().replace("\"sig\":\"", "\"sig\":\"0").into();
            assert!(!is_successor(&forged, &from, &to), "event {at} isn't signed");
        }
    }
}
