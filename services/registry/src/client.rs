//! `kez.chat.lookup.<handle>`: a person's own client over NATS looks others up. The handle in the subject is whose client it is: nats-server lets nobody
//! else publish there. The answer comes to a reply inbox of the same person or nowhere.

use std::sync::Arc;

use bytes::Bytes;
use kez_kit::{
    rate::Rate,
    responder::{Call, Endpoints},
    service::decode,
};
use kez_proto::{
    Code, Handle, Problem, limits,
    registry::ClientLookup,
    subjects::{self, Asker},
};

use crate::desk::Desk;

/// What a request is answered from, and how many one person has made.
pub struct Clients {
    pub desk: Desk,
    pub rate: Rate<Handle>,
}

impl Clients {
    /// The subject with its handler.
    pub fn endpoints(self) -> Endpoints {
        let clients = Arc::new(self);
        Endpoints::default().with(subjects::CLIENT_LOOKUP, move |call| {
            let clients = clients.clone();
            async move { clients.answer(call).await }
        })
    }

    async fn answer(&self, call: Call) -> Option<Result<Bytes, Problem>> {
        let asker = Asker::of(&call.subject, &call.reply)?;
        // Before anybody is asked anything.
        if let Err(problem) = self.rate.check(&asker.handle, "too many requests over NATS") {
            let owner = self.desk.known(&asker.handle)?;
            return asker.admit(Ok(owner)).map(|_| Err(problem));
        }
        Some(match asker.admit(self.desk.primary_of(&asker.handle).await)? {
            Ok(()) => self.look_up(&call.payload).await,
            Err(problem) => Err(problem),
        })
    }

    async fn look_up(&self, request: &[u8]) -> Result<Bytes, Problem> {
        if request.len() > limits::CLIENT_REQUEST_BYTES {
            return Err(Code::TooLarge.into());
        }
        match decode(request)? {
            ClientLookup { handle: Some(handle), primary: None } => self.desk.of_handle(&handle).await,
            ClientLookup { handle: None, primary: Some(primary) } => self.desk.of_primary(&primary).await,
            ClientLookup { .. } => Err(Problem::new(
                Code::InvalidParameter,
                "a lookup names a handle or a primary, and not both",
            )),
        }
    }
}
