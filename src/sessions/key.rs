//! What the processes of one table have in common: a secret, and what is hashed with it.

use core::fmt;

use blake2::digest::consts::U32;
use blake2::digest::{Digest, KeyInit, Mac};
use blake2::{Blake2b512, Blake2bMac};

/// The secret of a table: every process that uses the table has the same.
///
/// IDs stand in a table as hashes by this key alone, and what one process tells another is
/// authenticated by it.
///
/// ```
/// use mcp_session_core::sessions::TableKey;
///
/// assert!(TableKey::new(b"sixteen bytes or more").is_some());
/// assert!(TableKey::new(b"short").is_none());
/// ```
#[derive(Clone)]
pub struct TableKey([u8; 64]);

impl TableKey {
    /// The least that a secret has, in bytes.
    pub const LEAST_BYTES: usize = 16;

    /// A key out of a secret; `None` if that is too short.
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= Self::LEAST_BYTES).then(|| Self(Blake2b512::digest(secret).into()))
    }

    /// The key of a session in the table.
    pub fn session_key(&self, session_id: &[u8]) -> SessionKey {
        SessionKey(self.hash(Domain::SessionId, &[session_id]))
    }

    /// A hash of some parts, which no other parts and no other domain have.
    pub(super) fn hash(&self, domain: Domain, parts: &[&[u8]]) -> [u8; 32] {
        self.mac(domain, parts).finalize().into_bytes().into()
    }

    /// Whether a hash is that of the parts, in a time that does not tell how much of it is.
    pub(super) fn verify(&self, domain: Domain, parts: &[&[u8]], hash: &[u8]) -> bool {
        self.mac(domain, parts).verify_slice(hash).is_ok()
    }

    fn mac(&self, domain: Domain, parts: &[&[u8]]) -> Blake2bMac<U32> {
        let mut mac = <Blake2bMac<U32> as KeyInit>::new(&self.0.into());
        mac.update(&[domain as u8]);
        for part in parts {
            let length: u64 = part.len().try_into().unwrap_or(u64::MAX);
            mac.update(&length.to_le_bytes());
            mac.update(part);
        }
        mac
    }
}

/// A secret shows nothing of itself.
impl fmt::Debug for TableKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TableKey(redacted)")
    }
}

/// What a hash is of, so that none can stand for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Domain {
    SessionId = 1,
    Principal = 2,
    Credential = 3,
    Nobody = 4,
    Hop = 5,
    NotMine = 6,
    MintedId = 7,
    Claims = 8,
    NotHere = 9,
    Writer = 10,
}

/// What stands in the table in the place of a session ID: a keyed hash of it.
///
/// ```
/// use mcp_session_core::sessions::TableKey;
///
/// let key = TableKey::new(b"sixteen bytes or more").unwrap();
///
/// assert_eq!(key.session_key(b"1868a90c"), key.session_key(b"1868a90c"));
/// assert_ne!(key.session_key(b"1868a90c"), key.session_key(b"1868a90d"));
/// assert_eq!(key.session_key(b"1868a90c").as_bytes().len(), 32);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// A key out of the bytes of one.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// No secret, but nothing that a log needs either.
impl fmt::Debug for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionKey(..)")
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> alloc::string::String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The bytes that such digits stand for.
pub(super) fn from_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

/// In lower case alone: what has one meaning has one spelling.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
