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
    const DEEP: usize = 1_000_000;
    let mut bodies = vec![
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
    ];
    bodies.extend(hostile_of(64 << 20));
    bodies
}

/// Bodies of about this length that are meant to hurt; the first is an ordinary one.
pub fn hostile_of(length: usize) -> Vec<(&'static str, Vec<u8>)> {
    let repeated = |unit: &str| unit.repeat(length / unit.len());
    let members = |unit: &str| format!(r#"{{{}"method":"m"}}"#, repeated(unit)).into_bytes();
    let argument = |unit: &str| request(&format!("\"{}\"", repeated(unit))).into_bytes();
    let half = length / 2;
    vec![
        ("ordinary", body("dense", length).unwrap_or_default()),
        ("nested arrays", request(&format!("{}{}", "[".repeat(half), "]".repeat(half))).into()),
        (
            "nested objects",
            request(&format!("{}1{}", r#"{"a":"#.repeat(length / 6), "}".repeat(length / 6)))
                .into(),
        ),
        ("`[`", "[".repeat(length).into_bytes()),
        (r"`\u0000`", argument(r"\u0000")),
        (r"`\ud800`", argument(r"\ud800")),
        (r"`\n`", argument(r"\n")),
        (r"`\na`", argument(r"\na")),
        (
            "an id of `\\u0030`",
            format!(r#"{{"method":"m","id":"{}"}}"#, repeated(r"\u0030")).into_bytes(),
        ),
        (
            "a method of `\\u0069`",
            format!(r#"{{"id":1,"method":"{}"}}"#, repeated(r"\u0069")).into_bytes(),
        ),
        ("the key `id` again and again", members(r#""id":1,"#)),
        ("the key `params` again and again", members(r#""params":1,"#)),
        ("escaped keys", members(r#""\u0069\u0064":1,"#)),
        ("escaped keys that may repeat", members(r#""\u0070\u0061\u0072\u0061\u006d\u0073":1,"#)),
        ("keys spelled with an escape", members(r#""\u0061":1,"#)),
        ("keys of one escape", members(r#""\n":1,"#)),
        ("keys that begin as `id`, escaped", members(r#""i\u0065":1,"#)),
        ("empty keys", members(r#""":1,"#)),
        ("short keys", members(r#""a":1,"#)),
        (
            "escapes in keys",
            format!(r#"{{"{}":1,"method":"m"}}"#, repeated(r"\u0069")).into_bytes(),
        ),
        ("a number", request(&"9".repeat(length)).into_bytes()),
        ("numbers", request(&format!("[{}1]", repeated("1,"))).into_bytes()),
        ("space", request(&format!("[{}1]", repeated(" "))).into_bytes()),
        ("space between numbers", request(&format!("[{}1]", repeated("1 , "))).into_bytes()),
        ("empty strings", request(&format!("[{}1]", repeated(r#""","#))).into_bytes()),
        ("empty objects", request(&format!("[{}1]", repeated("{},"))).into_bytes()),
        ("members of one letter", request(&format!("[{}1]", repeated(r#"{"":1},"#))).into_bytes()),
        (
            "a byte that is not UTF-8 at the end",
            [body("dense", length).unwrap_or_default(), vec![0xFF]].concat(),
        ),
        ("zeros", request(&format!("[{}1]", repeated("0,"))).into_bytes()),
        ("a batch of zeros", format!("[{}1]", repeated("0,")).into_bytes()),
        ("a batch of ones", format!("[{}1]", repeated("1,")).into_bytes()),
        ("a batch of empty objects", format!("[{}{{}}]", repeated("{},")).into_bytes()),
        ("a batch of requests", format!("[{}1]", repeated(r#"{"id":1,"method":"m"},"#)).into()),
    ]
}

fn request(argument: &str) -> String {
    format!(
        r#"{{"method":"tools/call","params":{{"name":"echo","arguments":{{"it":{argument}}}}},"jsonrpc":"2.0","id":42}}"#
    )
}
