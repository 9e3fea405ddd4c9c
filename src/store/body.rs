//! The bytes of an object on their way from a store.

use std::fmt;
use std::io;
use std::pin::Pin;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use super::{StoreError, StoreResult};

/// What [`Body::next`] returns at most.
const PIECE: usize = 256 * 1024;

/// Bytes in order, to be taken once. After an error there are no more.
pub struct Body(Pin<Box<dyn AsyncRead + Send>>);

impl Body {
    /// Takes them from `reader`. Its errors are [`StoreError`]s made by [`to_io`]; any other says that the store cannot be
    /// reached.
    pub fn of_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self(Box::pin(reader))
    }

    /// Takes them from the pieces of `stream`, none of which may be empty.
    pub fn of_stream(stream: impl Stream<Item = StoreResult<Bytes>> + Send + 'static) -> Self {
        Self::of_reader(StreamReader::new(stream.map_err(to_io)))
    }

    /// There are none.
    pub fn empty() -> Self {
        Self::of_reader(tokio::io::empty())
    }

    /// Puts what comes next into `buffer`, which has room, and returns how many bytes that were; 0 at the end. Dropped
    /// before it is done, it has taken nothing.
    ///
    /// # Errors
    /// As the store's: [`StoreError::Unavailable`] where the transfer broke off, [`StoreError::Damaged`] where bytes are not
    /// what the store said.
    pub async fn read(&mut self, buffer: &mut (impl BufMut + Send)) -> StoreResult<usize> {
        self.0.read_buf(buffer).await.map_err(of_io)
    }

    /// Returns the next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<StoreResult<Bytes>> {
        let mut piece = BytesMut::with_capacity(PIECE);
        match self.read(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some(Ok(piece.freeze())),
            Err(e) => Some(Err(e)),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// Wraps `error` for [`AsyncRead`].
pub(super) fn to_io(error: StoreError) -> io::Error {
    io::Error::other(error)
}

fn of_io(error: io::Error) -> StoreError {
    error.downcast().unwrap_or_else(|e| StoreError::Unavailable(e.to_string()))
}
