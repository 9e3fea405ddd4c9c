//! Can one path match two templates? An exact answer, with an example.
//!
//! A template is a small automaton over characters. The search walks two of them side by side, shortest text first,
//! and stops where both accept. There are few states (the characters of the templates), so it always ends quickly.

use std::collections::{HashMap, VecDeque};

use super::template::{FieldKind, Template};

/// One step of a template: a literal character, or a field.
#[derive(Debug, Clone, Copy)]
enum Step {
    Char(char),
    Field(FieldKind),
}

/// How far a field has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Within {
    /// Nothing yet.
    Start,
    /// At least one character, the last one not `/`: it may end here.
    Value,
    /// Just after a `/` of a `{name:path}`: it may not end here.
    Slash,
}

/// What the current segment of the path is so far: `.` and `..` are no segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    Empty,
    Dot,
    DotDot,
    Good,
}

type State = (usize, Within);
type Pair = (State, State, Name);

/// Returns the shortest path that both templates match, or none where there is no such path.
pub(super) fn common_path(a: &Template, b: &Template) -> Option<String> {
    let (a, b) = (steps(a), steps(b));
    let alphabet = alphabet(&a, &b);
    let start: Pair = ((0, Within::Start), (0, Within::Start), Name::Empty);
    let mut came_from: HashMap<Pair, Option<(Pair, char)>> = HashMap::from([(start, None)]);
    let mut queue = VecDeque::from([start]);
    while let Some(pair) = queue.pop_front() {
        if accepts(&a, pair.0) && accepts(&b, pair.1) && pair.2 == Name::Good {
            return Some(spell(pair, &came_from));
        }
        for &c in &alphabet {
            let Some(name) = pair.2.then(c) else { continue };
            for left in next(&a, pair.0, c) {
                for right in next(&b, pair.1, c) {
                    came_from.entry((left, right, name)).or_insert_with(|| {
                        queue.push_back((left, right, name));
                        Some((pair, c))
                    });
                }
            }
        }
    }
    None
}

impl Name {
    /// What it is after `c`; none where a `/` would end a segment that is not one.
    fn then(self, c: char) -> Option<Self> {
        match (self, c) {
            (Self::Good, '/') => Some(Self::Empty),
            (_, '/') => None,
            (Self::Empty, '.') => Some(Self::Dot),
            (Self::Dot, '.') => Some(Self::DotDot),
            _ => Some(Self::Good),
        }
    }
}

fn steps(template: &Template) -> Vec<Step> {
    let mut steps = Vec::new();
    for (i, segment) in template.segments.iter().enumerate() {
        if i > 0 {
            steps.push(Step::Char('/'));
        }
        steps.extend(segment.before.chars().map(Step::Char));
        steps.extend(segment.field.as_ref().map(|f| Step::Field(f.kind)));
        steps.extend(segment.after.chars().map(Step::Char));
    }
    steps
}

/// Every character that can make a difference: those of the literals, a digit, and one that is neither.
fn alphabet(a: &[Step], b: &[Step]) -> Vec<char> {
    let mut chars = vec!['x', '0', '/'];
    for step in a.iter().chain(b) {
        if let Step::Char(c) = step
            && !chars.contains(c)
        {
            chars.push(*c);
        }
    }
    chars
}

/// The states after reading `c`; where a field may end here, also those of what follows it.
fn next(steps: &[Step], (at, within): State, c: char) -> Vec<State> {
    let mut states = Vec::new();
    match steps.get(at) {
        Some(Step::Char(l)) if *l == c => states.push((at + 1, Within::Start)),
        Some(Step::Field(kind)) => {
            match (kind, within, c) {
                (FieldKind::Int, _, '0'..='9') => states.push((at, Within::Value)),
                (FieldKind::Path, Within::Value, '/') => states.push((at, Within::Slash)),
                (FieldKind::Int, ..) | (_, _, '/') => {}
                _ => states.push((at, Within::Value)),
            }
            if within == Within::Value {
                states.extend(next(steps, (at + 1, Within::Start), c));
            }
        }
        _ => {}
    }
    states
}

fn accepts(steps: &[Step], (at, within): State) -> bool {
    at == steps.len() || (within == Within::Value && at + 1 == steps.len())
}

/// The text that leads to `pair`.
fn spell(mut pair: Pair, came_from: &HashMap<Pair, Option<(Pair, char)>>) -> String {
    let mut chars = Vec::new();
    while let Some(Some((before, c))) = came_from.get(&pair) {
        chars.push(*c);
        pair = *before;
    }
    chars.iter().rev().collect()
}
