//! The paths of MCP among those of an application.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Which paths an MCP endpoint is served at.
///
/// - `/mcp` and `/mcp/` are one path.
/// - `/tenants/*` is every path below `/tenants/`.
/// - A path counts as it stands, and without what the application is mounted below (the
///   `root_path` of ASGI), so that a name goes on to match where the application is moved.
///
/// ```
/// use mcp_session_core::server::Paths;
///
/// let paths = Paths::new(["/mcp", "/tenants/*"])?;
///
/// assert!(paths.cover("/mcp/", ""));
/// assert!(paths.cover("/api/mcp", "/api"));
/// assert!(paths.cover("/tenants/a/mcp", ""));
/// assert!(!paths.cover("/tenants", ""));
/// # Ok::<(), mcp_session_core::server::PathError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    exact: BTreeSet<String>,
    below: Vec<String>,
}

impl Paths {
    /// Reads the names of paths.
    ///
    /// # Errors
    ///
    /// A name begins with no slash, or has a wildcard other than `/*` at its end: it would
    /// match nothing, and nobody would be told.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, PathError> {
        let mut paths = Self { exact: BTreeSet::new(), below: Vec::new() };
        for name in names {
            if !name.starts_with('/') {
                return Err(PathError::NoSlash);
            }
            let (place, is_below) = match name.strip_suffix("/*") {
                Some(place) => (place, true),
                None => (name, false),
            };
            if place.contains(['*', '{', '}', '?']) {
                return Err(PathError::UnknownWildcard);
            }
            let mut place = String::from(without_last_slash(place));
            if is_below {
                place.push('/');
                paths.below.push(place);
            } else {
                paths.exact.insert(place);
            }
        }
        Ok(paths)
    }

    /// Whether an endpoint is served at this path. `root` is what the application is mounted
    /// below, empty where it is not.
    pub fn cover(&self, path: &str, root: &str) -> bool {
        let root = without_last_slash(root);
        let inner = path.strip_prefix(root).filter(|inner| inner.starts_with('/'));
        self.names(path) || (!root.is_empty() && inner.is_some_and(|inner| self.names(inner)))
    }

    fn names(&self, path: &str) -> bool {
        let path = without_last_slash(path);
        self.exact.contains(path) || self.below.iter().any(|place| path.starts_with(place.as_str()))
    }
}

/// What is wrong with the name of a path.
///
/// ```
/// use mcp_session_core::server::{PathError, Paths};
///
/// assert_eq!(Paths::new(["/mcp*"]), Err(PathError::UnknownWildcard));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// It begins with no slash.
    NoSlash,
    /// It has a wildcard that is not `/*` at its end, or a template or a query.
    UnknownWildcard,
}

impl fmt::Display for PathError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoSlash => "must begin with a slash",
            Self::UnknownWildcard => "may have no other wildcard than /* at the end",
        })
    }
}

impl core::error::Error for PathError {}

/// A path is the same with a slash at its end and without.
fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}
