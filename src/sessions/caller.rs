//! For whom a session is.

use core::fmt;

use super::bearer::Claims;
use super::key::{Domain, TableKey};

/// Who asks, as far as whoever authenticated the request knows; all that is known is given.
///
/// What stays the same when a token is refreshed decides: the authenticated user, and the
/// issuer, client and subject of the token. Where none of them is known, the issuer, client
/// and subject do that a bearer token in the form of a JWT says it is for, which the application
/// verifies; of any other credential the credential itself. What is not given, or empty, is not known.
///
/// ```
/// use mcp_session_core::sessions::{Caller, TableKey};
///
/// let key = TableKey::new(b"sixteen bytes or more").unwrap();
/// let caller = |authorization| Caller {
///     subject: Some(b"ada"),
///     authorization: Some(authorization),
///     ..Caller::default()
/// };
///
/// assert_eq!(caller(b"Bearer 1").principal(&key), caller(b"Bearer 2").principal(&key));
/// ```
#[derive(Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The user that the request was authenticated as.
    pub user: Option<&'a [u8]>,
    /// Who issued the token.
    pub issuer: Option<&'a [u8]>,
    /// The client that the token was issued to.
    pub client: Option<&'a [u8]>,
    /// Whom the token speaks for.
    pub subject: Option<&'a [u8]>,
    /// The credential: the value of the header `Authorization`.
    pub authorization: Option<&'a [u8]>,
}

impl Caller<'_> {
    /// For whom a session is that this caller opens; and which sessions are for it.
    pub fn principal(&self, key: &TableKey) -> Principal {
        let Self { user, issuer, client, subject, authorization } = *self;
        let known = |fact: Option<&[u8]>| fact.is_some_and(|fact| !fact.is_empty());
        let names = [user, issuer, client, subject];
        Principal(if names.into_iter().any(known) {
            // One that is not known has no bytes: an empty one counts as not known.
            key.hash(Domain::Principal, &names.map(Option::unwrap_or_default))
        } else if let Some(credential) = authorization.filter(|it| known(Some(it))) {
            match Claims::of(credential) {
                Some(Claims { issuer, client, subject }) => {
                    key.hash(Domain::Claims, &[&issuer, &client, &subject])
                }
                None => key.hash(Domain::Credential, &[credential]),
            }
        } else {
            key.hash(Domain::Nobody, &[])
        })
    }
}

/// Without what it is made of: there are credentials among it.
impl fmt::Debug for Caller<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Caller(redacted)")
    }
}

/// For whom a session is: a keyed hash of what [`Caller`] knew. Those who give no credential
/// are one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Principal(pub(super) [u8; 32]);

impl fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Principal(..)")
    }
}
