//! Which side evaluates an exchange.

/// Which side evaluates the exchange.
///
/// Exhaustive on purpose: there is no third side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// A client, looking at what came back.
    Client(Quirks),
    /// A server or proxy, looking at what its handler or upstream answered. It recognizes
    /// misreports always, because it corrects them.
    Server,
}

/// Whether a client acts on terminated sessions that are reported in other words than the
/// specification's.
///
/// Exhaustive on purpose: a further choice would be a further question to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quirks {
    /// Only on what the specification says.
    Ignore,
    /// Also on the misreports that have a row here.
    Recognize,
}
