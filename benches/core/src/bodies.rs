//! The bodies that are read.

/// What a client sends in an ordinary call: 130 bytes.
pub const CALL: &[u8] = &Aligned(*br#"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello to you, and to all of them!!"}}}"#).0;

/// Bytes that begin where an allocation would. How many instructions it takes to look at bytes
/// depends on that (`from_utf8` goes byte by byte up to a whole word), and where the linker puts
/// a literal depends on everything else in the program.
#[repr(align(16))]
pub struct Aligned<const N: usize>(pub [u8; N]);

/// A request of about this length, whose id comes last, as the TypeScript SDK writes it.
///
/// `dense` is structure and short numbers, `blob` one big string, `ascii` many strings, `text`
/// many that are not ASCII.
pub fn body(kind: &str, length: usize) -> Option<Vec<u8>> {
    let unit = match kind {
        "call" => return Some(CALL.to_vec()),
        "dense" => r#"{"k":1,"v":[2,true,null]},"#,
        "blob" => "QUJDREVGR0hJSktMTU5PUFFS",
        "ascii" => r#""The quick brown fox jumps over the lazy dog near the bank","#,
        "text" => r#""Zażółć gęślą jaźń, 日本語のテキスト","#,
        _ => return None,
    };
    let repeated = unit.repeat(length / unit.len() + 1);
    let argument = match kind {
        "blob" => format!("\"{repeated}\""),
        _ => format!("[{}]", repeated.trim_end_matches(',')),
    };
    Some(request(&argument).into_bytes())
}

/// Bodies that are meant to hurt, and ordinary ones of the same lengths to hold them against.
pub fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    const LONG: usize = 64 << 20;
    const DEEP: usize = 1_000_000;
    let repeated = |unit: &str| unit.repeat(LONG / unit.len());
    vec![
        ("ordinary, 2 MB", body("dense", 2 * DEEP).unwrap_or_default()),
        (
            "nested 1,000,000 deep",
            request(&format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP))).into_bytes(),
        ),
        (
            "objects nested 300,000 deep",
            request(&format!("{}1{}", r#"{"a":"#.repeat(300_000), "}".repeat(300_000)))
                .into_bytes(),
        ),
        ("ordinary, 64 MiB", body("dense", LONG).unwrap_or_default()),
        ("`[`, 64 MiB", "[".repeat(LONG).into_bytes()),
        (r"`\u0000`, 64 MiB", request(&format!("\"{}\"", repeated(r"\u0000"))).into_bytes()),
        (r"`\ud800`, 64 MiB", request(&format!("\"{}\"", repeated(r"\ud800"))).into_bytes()),
        (
            "an id of `\\u0030`, 64 MiB",
            format!(r#"{{"method":"m","id":"{}"}}"#, repeated(r"\u0030")).into_bytes(),
        ),
        (
            "the key `id` again and again, 64 MiB",
            format!(r#"{{{}"method":"m"}}"#, repeated(r#""id":1,"#)).into_bytes(),
        ),
        (
            "escaped keys, 64 MiB",
            format!(r#"{{{}"method":"m"}}"#, repeated(r#""\u0069\u0064":1,"#)).into_bytes(),
        ),
        (
            "keys spelled with an escape, 64 MiB",
            format!(r#"{{{}"method":"m"}}"#, repeated(r#""\u0061":1,"#)).into_bytes(),
        ),
        (
            "escapes in keys, 64 MiB",
            format!(r#"{{"{}":1,"method":"m"}}"#, repeated(r"\u0069")).into_bytes(),
        ),
        ("a number of 64 MiB", request(&"9".repeat(LONG)).into_bytes()),
        (
            "a byte that is not UTF-8 at the end, 64 MiB",
            [body("dense", LONG).unwrap_or_default(), vec![0xFF]].concat(),
        ),
        ("a batch of ones, 64 MiB", format!("[{}1]", repeated("1,")).into_bytes()),
        ("a batch of empty objects, 64 MiB", format!("[{}{{}}]", repeated("{},")).into_bytes()),
    ]
}

fn request(argument: &str) -> String {
    format!(
        r#"{{"method":"tools/call","params":{{"name":"echo","arguments":{{"it":{argument}}}}},"jsonrpc":"2.0","id":42}}"#
    )
}
