//! Runs sequences, many of them side by side, and reports one that fails.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::compare::{Known, Seen, agree, bucket, difference};
use crate::draw::Draw;
use crate::model::State;
use crate::op::{Op, Who};
use crate::rules::Answer;
use crate::settings::{LIST_TTL, Settings};
use crate::support::mount::{Kind, TestMount};
use crate::world::World;

/// Sequences of one wave share the waits of [`Op::Pass`], and the stop at the end.
const WAVE: u64 = 125;

/// How long what goes on by itself may take.
const SETTLED: Duration = Duration::from_secs(10);

/// How long a failing sequence is made shorter.
const SHRINKING: Duration = Duration::from_secs(60);

/// One sequence and how far it has come.
struct Run {
    seed: u64,
    dir: String,
    ops: Vec<Op>,
    done: usize,
    worlds: Vec<State>,
    mounts: usize,
    known: Vec<Known>,
    /// When it last looked.
    looked: Duration,
    story: String,
}

/// Why a sequence failed.
struct Failure(String);

/// Runs the sequences that belong to a kind of store.
pub fn sequences(kind: Kind) {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let first = number("CAIRNFS_MODEL_SEED");
    let all = number("CAIRNFS_MODEL_SEQUENCES").unwrap_or(if first.is_some() { 1 } else { 2000 });
    let on_each = std::env::var_os("CAIRNFS_MODEL_ON_EACH").is_some();
    // Both kinds of store together; a sequence on S3 takes three times as long, and the two run side by side.
    let mine = if on_each {
        all
    } else if kind == Kind::S3 {
        (all * 3 / 10).max(1)
    } else {
        all - all * 3 / 10
    };
    let seeds: Vec<u64> = (0..mine).map(|n| first.unwrap_or(0) + n).collect();
    let began = Instant::now();
    let only = std::env::var("CAIRNFS_MODEL_SETTINGS").ok();
    for settings in Settings::ALL {
        if only.as_ref().is_some_and(|only| *only != format!("{settings:?}").to_lowercase()) {
            continue;
        }
        let mine: Vec<u64> = seeds.iter().copied().filter(|seed| Settings::of(*seed) == settings).collect();
        if mine.is_empty() {
            continue;
        }
        let mut world = World::start(kind, settings);
        for (at, wave) in mine.chunks(usize::try_from(WAVE).unwrap()).enumerate() {
            if at > 0 {
                world.wake();
            }
            let failures = run_wave(&mut world, kind, wave);
            if !failures.is_empty() {
                world.mounts.iter_mut().for_each(TestMount::errors_are_expected);
                panic!("{} of {} sequences failed\n{}", failures.len(), wave.len(), failures.join("\n"));
            }
        }
    }
    eprintln!("{} sequences on {kind:?} in {} s", seeds.len(), began.elapsed().as_secs());
}

/// Runs sequences side by side: what comes before time passes of each of them, then time passes for all. Returns how those
/// ended that failed.
fn run_wave(world: &mut World, kind: Kind, seeds: &[u64]) -> Vec<String> {
    let mut runs: Vec<Run> = seeds.iter().map(|seed| Run::new(*seed, world, None)).collect();
    let mut failures = Vec::new();
    let mut each = |runs: &mut Vec<Run>, world: &mut World, shrinks: bool, act: Act| {
        runs.retain_mut(|run| {
            let Err(failure) = act(run, world) else { return true };
            let short = if shrinks && failures.is_empty() { shortest(world, run) } else { None };
            failures.push(told(kind, run.seed, &short.unwrap_or(failure)));
            false
        });
    };
    while runs.iter().any(|run| run.done < run.ops.len()) {
        each(&mut runs, world, true, Run::until_time_passes);
        each(&mut runs, world, false, Run::let_time_pass);
    }
    each(&mut runs, world, false, Run::close_all);
    world.rest();
    each(&mut runs, world, false, |run, world| run.check_rest(world));
    failures
}

/// One thing that is done with every sequence of a wave.
type Act = fn(&mut Run, &mut World) -> Result<(), Failure>;

fn told(kind: Kind, seed: u64, Failure(story): &Failure) -> String {
    let store = if kind == Kind::Dir { "directory" } else { "s3" };
    format!(
        "sequence {seed} on {kind:?}\n{story}\nrun it again:\n  \
         CAIRNFS_MODEL_SEED={seed} cargo test --test model {store}\n"
    )
}

/// Returns how the shortest sequence fails that can be made of one that failed, by leaving out operations.
fn shortest(world: &mut World, failed: &Run) -> Option<Failure> {
    let until = Instant::now() + SHRINKING;
    let mut ops = failed.ops[..=failed.done.min(failed.ops.len() - 1)].to_vec();
    let mut best = None;
    let mut tries = 0;
    let mut at = ops.len();
    let mut progress = true;
    while progress {
        progress = false;
        while at > 0 && Instant::now() < until {
            at -= 1;
            let mut fewer = ops.clone();
            fewer.remove(at);
            tries += 1;
            let mut run = Run::new(failed.seed, world, Some((fewer.clone(), tries)));
            let result = run.whole(world);
            world.end_own(&run.dir);
            if let Err(failure) = result {
                ops = fewer[..=run.done.min(fewer.len() - 1)].to_vec();
                at = at.min(ops.len());
                best = Some(failure);
                progress = true;
            }
        }
        at = ops.len();
        progress &= Instant::now() < until;
    }
    best
}

impl Run {
    fn new(seed: u64, world: &mut World, shorter: Option<(Vec<Op>, u32)>) -> Self {
        let settings = Settings::of(seed);
        let domain = settings.domain(seed);
        let two_mounts = seed.is_multiple_of(3);
        let (ops, dir) = match shorter {
            None => (Draw::sequence(seed, settings, two_mounts), format!("{}/{seed}", domain.prefix)),
            Some((ops, tries)) => (ops, format!("{}/{seed}-{tries}", domain.prefix)),
        };
        world.make(&dir);
        let mounts = if two_mounts { 2 } else { 1 };
        let worlds = vec![State::new(domain, settings)];
        Self {
            seed,
            dir,
            ops,
            done: 0,
            worlds,
            mounts,
            known: vec![Known::new(); mounts],
            looked: Duration::ZERO,
            story: String::new(),
        }
    }

    fn whole(&mut self, world: &mut World) -> Result<(), Failure> {
        while self.done < self.ops.len() {
            self.step(world)?;
        }
        self.close_all(world)
    }

    /// Does what comes before time passes.
    fn until_time_passes(&mut self, world: &mut World) -> Result<(), Failure> {
        while self.ops.get(self.done).is_some_and(|op| !op.is_pause()) {
            self.step(world)?;
        }
        Ok(())
    }

    fn let_time_pass(&mut self, world: &mut World) -> Result<(), Failure> {
        if self.ops.get(self.done).is_some_and(Op::is_pause) { self.step(world) } else { Ok(()) }
    }

    fn step(&mut self, world: &mut World) -> Result<(), Failure> {
        let op = self.ops[self.done].clone();
        if let Some(op) = op.resolved(&self.worlds[0], world.new_slot()) {
            self.act(world, &op)?;
        }
        self.done += 1;
        Ok(())
    }

    /// Carries out an operation on the mount and in the model, and holds the one against the other.
    fn act(&mut self, world: &mut World, op: &Op) -> Result<(), Failure> {
        if *op == Op::Age {
            // and no look: the first open, too, has to ask for what is old (8.2)
            world.wait_until(self.looked + LIST_TTL);
            let _ = writeln!(self.story, "{op}");
            return Ok(());
        }
        let began = world.now();
        let before: Vec<State> = self.worlds.drain(..).flat_map(|w| w.with_due(began)).collect();
        let before = before.into_iter().flat_map(|w| w.with_learned(op, began));
        let answer = world.perform(&self.dir, op);
        let _ = writeln!(self.story, "{op}: {answer}");
        let now = world.now();
        let outcomes: Vec<_> = before.flat_map(|w| w.apply(op, now)).collect();
        let allowed: Vec<Answer> = outcomes.iter().map(|(answer, _)| answer.clone()).collect();
        self.worlds = outcomes.into_iter().filter(|(a, _)| *a == answer).map(|(_, w)| w).collect();
        if self.worlds.is_empty() {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            return Err(self.failed(&format!("  allowed: {}", allowed.join(" or "))));
        }
        self.look(world)
    }

    /// Looks until one of the worlds is what is seen: at once, or in a moment where something goes on by itself.
    fn look(&mut self, world: &World) -> Result<(), Failure> {
        let until = Instant::now() + SETTLED;
        let mounts = &world.mounts[..self.mounts];
        loop {
            if self.worlds[0].settings == Settings::Believing {
                self.known.iter_mut().for_each(Known::clear); // the kernel may not have heard yet of another version
            }
            let began = world.now();
            let seen = Seen::look(mounts, &self.dir, &mut self.known, began);
            let now = world.now();
            let worlds: Vec<State> = self.worlds.iter().flat_map(|w| w.clone().with_due(now)).collect();
            // what is due can be carried out between one look and the next
            let settling = self.worlds.iter().any(|w| w.settling || w.is_due(now));
            if let Ok(seen) = &seen {
                let mut agreed: Vec<State> = Vec::new();
                for world in worlds.iter().filter_map(|w| agree(w, seen)) {
                    if !agreed.contains(&world) {
                        agreed.push(world);
                    }
                }
                if !agreed.is_empty() {
                    agreed.iter_mut().for_each(|w| w.note_seen(now, LIST_TTL));
                    self.looked = now;
                    self.worlds = agreed;
                    return Ok(());
                }
            }
            // it may be listed and gone from the store, or the kernel may not have heard yet that another is there
            let believing = self.worlds[0].settings == Settings::Believing && seen.is_err();
            if !(settling || believing) || Instant::now() > until {
                return Err(self.failed(&match seen {
                    Ok(seen) => difference(&worlds, &seen),
                    Err(text) => format!("  {text}"),
                }));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure(format!("{}{why}", self.story))
    }

    /// Closes what is still open, and reads everything once more.
    fn close_all(&mut self, world: &mut World) -> Result<(), Failure> {
        for who in [Who::E, Who::A, Who::B, Who::C, Who::D] {
            while let Some(map) = self.worlds[0].map(who, 0) {
                self.act(world, &Op::Munmap { who, map })?;
            }
            while let Some(slot) = self.worlds[0].fd(who, 0) {
                self.act(world, &Op::Close { who, slot })?;
            }
        }
        self.known.iter_mut().for_each(Known::clear);
        self.look(world)
    }

    /// Both mounts have been stopped: what waited is done, and nothing else is in the bucket.
    fn check_rest(&mut self, world: &World) -> Result<(), Failure> {
        let mut worlds = std::mem::take(&mut self.worlds);
        for mount in 0..world.mounts.len() {
            worlds = worlds.into_iter().flat_map(|w| w.drained(mount, world.now())).collect();
        }
        let below = format!("{}/", self.dir);
        let mut trash: Vec<(String, Vec<u8>)> = world
            .trash()
            .filter_map(|(key, data)| Some((key.strip_prefix(&below)?.to_owned(), data.clone())))
            .collect();
        trash.sort();
        let seen =
            Seen { views: Vec::new(), bucket: bucket(&world.mounts[0], &self.dir), began: world.now() };
        let agreed: Vec<State> = worlds.iter().filter_map(|w| agree(w, &seen)).collect();
        if agreed.iter().any(|w| w.trash == trash) {
            return Ok(());
        }
        let _ = writeln!(self.story, "both mounts stop");
        let names: Vec<&String> = trash.iter().map(|(key, _)| key).collect();
        Err(self.failed(&format!("{}  seen in the trash: {names:?}", difference(&worlds, &seen))))
    }
}
