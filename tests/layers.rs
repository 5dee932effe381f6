//! The house: which file knows which, as the sources say it. `ARCHITECTURE.md` draws it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails in its own set-up says where"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the core, each knowing only those before it. Those of one line stand beside
/// each other.
const LAYERS: &[&[&str]] = &[
    &["jsonrpc"],
    &["exchange"],
    &["answer"],
    &["table"],
    &["sse", "wire"],
    &["session"],
    &["client", "diagnose", "server"],
    &["sessions"],
];
const MOST_LINES: usize = 600;

#[test]
fn each_room_of_the_core_knows_only_those_before_it() {
    let house = House::of("src");
    let rooms: BTreeSet<&str> = house.files().map(room).filter(|it| *it != "lib").collect();
    let layered: BTreeSet<&str> = LAYERS.concat().into_iter().collect();
    let unknown: Vec<_> = rooms.difference(&layered).collect();
    assert!(unknown.is_empty(), "rooms without a layer: {unknown:?}");

    let wrong: Vec<String> = house
        .edges()
        .filter(|(from, to)| room(from) != "lib" && room(from) != room(to))
        .filter(|(from, to)| layer(room(from)) <= layer(room(to)))
        .map(|(from, to)| format!("{from} knows {to}"))
        .collect();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_of_the_core_know_each_other_in_a_circle() {
    House::of("src").assert_no_circle();
}

#[test]
fn no_files_of_the_binding_know_each_other_in_a_circle() {
    House::of("python/src").assert_no_circle();
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<String> = ["src", "python"]
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .filter_map(|path| {
            let lines = without_tests(&fs::read_to_string(&path).unwrap()).lines().count();
            let name = path.strip_prefix(root()).unwrap().display();
            (lines > MOST_LINES).then(|| format!("{name}: {lines} lines"))
        })
        .collect();

    assert!(long.is_empty(), "above {MOST_LINES} lines, tests apart:\n{}", long.join("\n"));
}

#[test]
fn a_circle_is_found_where_there_is_one() {
    let house = House::from([
        ("lib.rs", "mod one; mod two; mod three; mod four;"),
        ("one.rs", "use crate::two::{Second, Other as Renamed};"),
        ("two.rs", "// use crate::four::Fourth;\nfn f() { crate::three::g() }"),
        ("three.rs", "use super::{one::First};"),
        ("four.rs", "use crate::one::First;"),
    ]);

    assert_eq!(house.circle(), BTreeSet::from(["one.rs", "three.rs", "two.rs"]));
}

#[test]
fn a_name_that_a_room_shows_is_known_where_it_stands() {
    let house = House::from([
        ("lib.rs", "mod room; mod user;"),
        ("room/mod.rs", "mod inner;\npub use inner::Shown;\npub struct Own;"),
        ("room/inner.rs", "use super::Own;\n#[cfg(test)]\nmod tests {\nuse crate::user;\n}"),
        ("user.rs", "use crate::room::Shown;"),
    ]);

    let edges: Vec<(&str, &str)> = house.edges().collect();
    assert_eq!(edges, [("room/inner.rs", "room/mod.rs"), ("user.rs", "room/inner.rs")]);
    assert!(house.circle().is_empty());
}

// ---- Which file knows which

/// A module or an item of a crate: the names that lead to it from the root.
type Place = Vec<String>;

/// The files of a crate by their paths below its root, and what each knows of the others.
struct House(BTreeMap<String, BTreeSet<String>>);

impl House {
    fn of(folder: &str) -> Self {
        let root = root().join(folder);
        let sources = sources(&root).into_iter().filter(|it| it.extension().unwrap() == "rs");
        let files = sources.map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        });
        Self::read(files.collect())
    }

    fn from<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self::read(files.map(|(name, text)| (name.to_owned(), text.to_owned())).into())
    }

    fn read(files: BTreeMap<String, String>) -> Self {
        let files: BTreeMap<String, String> =
            files.into_iter().map(|(name, text)| (name, code(&text))).collect();
        let modules: BTreeMap<Place, String> =
            files.keys().map(|name| (place(name), name.clone())).collect();
        let mut names = Names { modules, imported: BTreeMap::new() };
        let mut known: Vec<(&String, Place)> = Vec::new();
        for (name, text) in &files {
            let here = place(name);
            let (uses, rest) = uses(text);
            for (path, alias, is_shown) in uses {
                let Some(path) = names.absolute(&here, &path) else { continue };
                names.imported.insert([here.as_slice(), &[alias]].concat(), path.clone());
                if !is_shown {
                    known.push((name, path));
                }
            }
            known.extend(
                paths(&rest).filter_map(|path| Some((name, names.absolute(&here, &path)?))),
            );
        }
        let mut house = Self(files.keys().map(|name| (name.clone(), BTreeSet::new())).collect());
        for (name, path) in known {
            let file = names.file_of(&path);
            if file != *name {
                house.0.get_mut(name).unwrap().insert(file);
            }
        }
        house
    }

    fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(from, known)| known.iter().map(|to| (from.as_str(), to.as_str())))
    }

    /// What is left when the files that know nobody, or whom nobody knows, are taken away again
    /// and again.
    fn circle(&self) -> BTreeSet<&str> {
        let mut left: BTreeSet<&str> = self.files().collect();
        loop {
            let among: Vec<(&str, &str)> = self
                .edges()
                .filter(|(from, to)| left.contains(from) && left.contains(to))
                .collect();
            let knowing: BTreeSet<&str> = among.iter().map(|(from, _)| *from).collect();
            let known: BTreeSet<&str> = among.iter().map(|(_, to)| *to).collect();
            let next: BTreeSet<&str> = knowing.intersection(&known).copied().collect();
            if next.len() == left.len() {
                return left;
            }
            left = next;
        }
    }

    fn assert_no_circle(&self) {
        let circle = self.circle();
        let edges: Vec<String> = self
            .edges()
            .filter(|(from, to)| circle.contains(from) && circle.contains(to))
            .map(|(from, to)| format!("{from} knows {to}"))
            .collect();

        assert!(edges.is_empty(), "in a circle:\n{}", edges.join("\n"));
    }
}

/// What the names of a crate stand for.
struct Names {
    modules: BTreeMap<Place, String>,
    /// By module and name: what a `use` makes of a name there.
    imported: BTreeMap<Place, Place>,
}

impl Names {
    /// The path from the root of what is named `path` in a module; nothing for what is of
    /// another crate.
    fn absolute(&self, here: &[String], path: &[String]) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([here, rest].concat()),
            "super" => {
                let above = here.split_last()?.1;
                if rest.first().is_some_and(|it| it == "super") {
                    self.absolute(above, rest)
                } else {
                    Some([above, rest].concat())
                }
            }
            _ => {
                let child = [here, &path[..1]].concat();
                self.modules.contains_key(&child).then(|| [here, path].concat())
            }
        }
    }

    /// The file in which a path ends.
    fn file_of(&self, path: &[String]) -> String {
        let module = (0..=path.len()).rev().find(|it| self.modules.contains_key(&path[..*it]));
        let module = module.unwrap();
        let item = path.get(..=module);
        match item.and_then(|item| self.imported.get(item)) {
            Some(behind) => self.file_of(behind),
            None => self.modules[&path[..module]].clone(),
        }
    }
}

/// The uses of a file, each as path, name and whether others see it; and the rest of its code.
fn uses(text: &str) -> (Vec<(Place, String, bool)>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    for statement in text.split_inclusive(';') {
        let begin = statement.rfind("use ").filter(|it| starts_a_use(&statement[..*it]));
        let Some(begin) = begin else {
            rest.push_str(statement);
            continue;
        };
        let is_shown = statement[..begin].trim_end().ends_with(['b', ')']);
        let tree = statement[begin + 4..].trim_end_matches(';');
        for path in branches(tree) {
            let (path, alias) = path.split_once(" as ").unwrap_or((&path, ""));
            let mut path: Place = path.split("::").map(|it| it.trim().to_owned()).collect();
            path.retain(|it| !it.is_empty());
            if path.last().is_some_and(|it| it == "self") {
                path.pop();
            }
            let name = if alias.is_empty() { path.last().unwrap().clone() } else { alias.into() };
            found.push((path, name.trim().to_owned(), is_shown));
        }
    }
    (found, rest)
}

fn starts_a_use(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with([';', '}', ']', ')']) || before.ends_with("pub")
}

/// The single paths of a tree of uses.
fn branches(tree: &str) -> Vec<String> {
    let Some((before, inside)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inside = &inside[..inside.rfind('}').unwrap()];
    let (mut parts, mut depth) = (vec![String::new()], 0_u32);
    for character in inside.chars() {
        match character {
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth += u32::from(character == '{');
                depth -= u32::from(character == '}');
                parts.last_mut().unwrap().push(character);
            }
        }
    }
    let whole = parts.into_iter().filter(|it| !it.trim().is_empty());
    whole.flat_map(|part| branches(&format!("{}{}", before.trim(), part.trim()))).collect()
}

/// The paths that code names where it stands.
fn paths(code: &str) -> impl Iterator<Item = Place> {
    let words = code.split(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':'));
    words
        .filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
        .map(|word| word.split("::").map(String::from).collect())
}

fn place(file: &str) -> Place {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("lib");
    path.split('/').filter(|it| !it.is_empty()).map(String::from).collect()
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

// ---- The sources

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder that are no tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs" || it == "py" || it == "pyi")
            && path.file_name().unwrap() != "tests.rs"
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn code(text: &str) -> String {
    let lines = without_tests(text);
    lines.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect()
}

fn without_tests(text: &str) -> String {
    let (mut kept, mut lines) = (String::new(), text.lines().peekable());
    while let Some(line) = lines.next() {
        let is_test = line == "#[cfg(test)]"
            && lines.peek().is_some_and(|it| it.starts_with("mod ") && it.ends_with('{'));
        if is_test {
            lines.by_ref().find(|it| *it == "}");
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}
