//! The vectors that every client must treat alike, RFC 9180's own, and what no vector can show.

use std::convert::Infallible;

use data_encoding::HEXLOWER;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{TryCryptoRng, TryRng},
    setup_receiver, setup_sender_with_rng,
};
use kez_proto::{
    Timestamp,
    limits::SEALED_JSON_BYTES,
    sealed::{Body, Message, MessageId, Refusal, Sealed, padding::padded_len},
};
use serde_json::Value;

use super::{Opener, SealError, Seen, compose, seal, seal::envelope, seal::plaintext, seal_copy, suite};
use crate::{Identity, identity::SignError};

/// Gives these bytes to whoever draws as many.
struct Fixed([u8; 32]);

impl TryRng for Fixed {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("only keys are drawn")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("only keys are drawn")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../proto-schemas/vectors/sealing.json")).unwrap()
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} in {vector}"))
}

fn hex(vector: &Value, member: &str) -> Vec<u8> {
    HEXLOWER.decode(text(vector, member).as_bytes()).unwrap()
}

fn identity(vector: &Value, member: &str) -> Identity {
    Identity::from_seed(&hex(vector, member).try_into().unwrap())
}

fn list<'a>(vectors: &'a Value, member: &str) -> &'a Vec<Value> {
    vectors[member].as_array().filter(|list| !list.is_empty()).unwrap()
}

#[test]
fn rfc_9180_base_mode() {
    let vectors = &golden()["rfc9180"];
    let [info, pt] = ["info", "pt"].map(|member| hex(vectors, member));
    let secret = suite::SecretKey::from_bytes(&hex(vectors, "skRm")).unwrap();
    let public = X25519HkdfSha256::sk_to_pk(&secret);
    assert_eq!(public.to_bytes()[..], hex(vectors, "pkRm"));
    let mut rng = Fixed(hex(vectors, "ikmE").try_into().unwrap());
    let (enc, mut sender) = setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        &info,
        &mut rng,
    )
    .unwrap();
    assert_eq!(enc.to_bytes()[..], hex(vectors, "enc"));
    let mut receiver = setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &enc,
        &info,
    )
    .unwrap();
    for one in list(vectors, "encryptions") {
        let (aad, ct) = (hex(one, "aad"), hex(one, "ct"));
        assert_eq!(sender.seal(&pt, &aad).unwrap(), ct);
        assert_eq!(receiver.open(&ct, &aad).unwrap(), pt);
    }
}

#[test]
fn a_primary_and_its_secret_are_one_x25519_pair() {
    for vector in list(&golden(), "keys") {
        let identity = identity(vector, "seed");
        assert_eq!(identity.primary().to_string(), text(vector, "primary"));
        let public = X25519HkdfSha256::sk_to_pk(&suite::secret_key(&identity));
        assert_eq!(public.to_bytes()[..], hex(vector, "x25519"));
    }
}

#[test]
fn golden_messages_are_sealed_and_opened() {
    let mut seen = Seen::default();
    for vector in list(&golden(), "messages") {
        let name = text(vector, "name");
        let (sender, recipient) = (identity(vector, "sender"), identity(vector, "recipient"));
        let message = Message {
            id: text(vector, "id").parse().unwrap(),
            primary: sender.primary(),
            to: text(vector, "to").parse().unwrap(),
            sent_at: text(vector, "sent_at").parse().unwrap(),
            body: serde_json::from_value(vector["body"].clone()).unwrap(),
        };
        let created_at = text(vector, "created_at").parse().unwrap();
        let opened = Opener::new(&recipient).read(text(vector, "envelope"), created_at, &mut seen);
        assert_eq!(opened.as_ref(), Ok(&message), "{name}");
        match message.body {
            Body::Text { ref text } => assert_eq!(vector["text"], **text, "{name}"),
            Body::Other(ref body) => assert_eq!((&vector["text"], body), (&Value::Null, &vector["body"])),
        }
        // What a later version adds can be read but not written.
        if !name.contains("later version") {
            let mut rng = Fixed(hex(vector, "ikm").try_into().unwrap());
            let sealed =
                suite::seal(&recipient.primary(), &plaintext(&sender, &message).unwrap(), &mut rng).unwrap();
            let vector: Value = serde_json::from_str(text(vector, "envelope")).unwrap();
            let ours: Value = serde_json::from_str(envelope(&sealed).get()).unwrap();
            assert_eq!(ours, vector, "{name}");
        }
    }
}

#[test]
fn invalid_messages_are_refused_by_name() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../proto-schemas/vectors/sealing-invalid.json")).unwrap();
    let opener = Opener::new(&identity(&vectors, "recipient"));
    for vector in list(&vectors, "cases") {
        let created_at: Timestamp = text(vector, "created_at").parse().unwrap();
        let mut seen = Seen::default();
        if let Some(before) = vector["after"].as_str() {
            opener.read(before, created_at, &mut seen).unwrap();
        }
        let before = seen.clone();
        let refusal = opener.read(text(vector, "envelope"), created_at, &mut seen).unwrap_err();
        assert_eq!(refusal.as_str(), text(vector, "refusal"), "{}", text(vector, "name"));
        if refusal != Refusal::AlreadySeen {
            assert_eq!(seen, before, "{}", text(vector, "name"));
        }
        assert!(refusal.to_string().ends_with(&format!("({})", refusal.as_str())));
    }
}

/// Texts whose message has so many bytes of JSON.
fn of_json_bytes(sender: &Identity, message: &Message, bytes: usize) -> Body {
    let empty = Message { body: "".into(), ..message.clone() };
    let signed = sender.sign_envelope("message", &empty.payload()).unwrap();
    let short = serde_json::to_string(&signed).unwrap().len();
    "x".repeat(bytes - short).as_str().into()
}

#[test]
fn round_trips_at_the_border_of_every_bucket() {
    let (alice, bob) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let opener = Opener::new(&bob);
    let mut seen = Seen::default();
    // An empty text has 584 bytes of JSON already.
    let borders = (10..18).map(|n| (1usize << n) - 4).chain([SEALED_JSON_BYTES]);
    for border in borders {
        for bytes in border - 1..=border + 1 {
            let mut message = compose(&alice, bob.primary(), "").unwrap();
            message.body = of_json_bytes(&alice, &message, bytes);
            let sealed = match seal(&alice, &message) {
                Ok(envelope) => envelope,
                Err(error) => {
                    assert_eq!((bytes, error), (SEALED_JSON_BYTES + 1, SealError::TooLarge { bytes }));
                    continue;
                }
            };
            let ct = Sealed::parse(sealed.get().as_bytes()).unwrap().ct;
            assert_eq!(Some(ct.len() - 16), padded_len(bytes));
            assert_eq!(opener.read(sealed.get(), message.sent_at, &mut seen), Ok(message));
        }
    }
}

#[test]
fn no_bit_can_change() {
    let (alice, bob) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let opener = Opener::new(&bob);
    let message = compose(&alice, bob.primary(), "hi").unwrap();
    let sealed = Sealed::parse(seal(&alice, &message).unwrap().get().as_bytes()).unwrap();
    assert_eq!(opener.open(envelope(&sealed).get(), message.sent_at), Ok(message.clone()));
    for bit in 0..8 * (32 + sealed.ct.len()) {
        let mut changed = sealed.clone();
        match changed.enc.get_mut(bit / 8) {
            Some(byte) => *byte ^= 1 << (bit % 8),
            None => changed.ct[bit / 8 - 32] ^= 1 << (bit % 8),
        }
        let refused = opener.open(envelope(&changed).get(), message.sent_at);
        assert_eq!(refused, Err(Refusal::NotOpened), "bit {bit}");
    }
}

#[test]
fn each_sealing_is_another_and_in_ones_own_name_alone() {
    let (alice, bob) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let message = compose(&alice, bob.primary(), "hi").unwrap();
    assert_ne!(seal(&alice, &message).unwrap().get(), seal(&alice, &message).unwrap().get());
    assert_ne!(message.id, compose(&alice, bob.primary(), "hi").unwrap().id);
    assert_eq!(seal(&bob, &message).unwrap_err(), SealError::Sign(SignError::OtherPrimary));
    let id = MessageId([0xab; 16]);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(format!("{:?}", Opener::new(&bob)), format!("Opener({})", bob.primary()));
}

#[test]
fn ones_own_copy_tells_to_whom_and_is_ones_own_alone() {
    let [alice, bob, carol] = [1, 2, 3].map(|n| Identity::from_seed(&[n; 32]));
    let message = compose(&alice, bob.primary(), "hi").unwrap();
    let copy = seal_copy(&alice, &message).unwrap();
    let mut seen = Seen::default();
    assert_eq!(Opener::new(&alice).read(copy.get(), message.sent_at, &mut seen), Ok(message.clone()));
    assert_eq!(Opener::new(&bob).open(copy.get(), message.sent_at), Err(Refusal::NotOpened));
    // Whoever has the statement may seal it for its sender again: it is still what she wrote, and once.
    let again =
        suite::seal(&alice.primary(), &plaintext(&alice, &message).unwrap(), &mut Fixed([7; 32])).unwrap();
    let again = Opener::new(&alice).read(envelope(&again).get(), message.sent_at, &mut seen);
    assert_eq!(again, Err(Refusal::AlreadySeen));
    let passed_on =
        suite::seal(&carol.primary(), &plaintext(&alice, &message).unwrap(), &mut Fixed([7; 32])).unwrap();
    let passed_on = Opener::new(&carol).open(envelope(&passed_on).get(), message.sent_at);
    assert_eq!(passed_on, Err(Refusal::WrongRecipient));
    assert_eq!(seal_copy(&bob, &message).unwrap_err(), SealError::Sign(SignError::OtherPrimary));
}

#[test]
fn mail_of_an_earlier_key_stays_readable() {
    let [alice, old, older, new] = [1, 2, 3, 4].map(|n| Identity::from_seed(&[n; 32]));
    let opener = Opener::with_earlier(&new, &[old, older]);
    for n in [2, 3, 4] {
        let to = Identity::from_seed(&[n; 32]).primary();
        let message = compose(&alice, to, "hi").unwrap();
        let sealed = seal(&alice, &message).unwrap();
        assert_eq!(opener.open(sealed.get(), message.sent_at), Ok(message));
        assert!(opener.is_own(&to));
    }
    let message = compose(&alice, alice.primary(), "hi").unwrap();
    let sealed = seal(&alice, &message).unwrap();
    assert_eq!(opener.open(sealed.get(), message.sent_at), Err(Refusal::NotOpened));
    assert!(!opener.is_own(&alice.primary()));
    assert_eq!(opener.open("{}", message.sent_at), Err(Refusal::MalformedEnvelope));
}
