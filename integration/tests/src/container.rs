//! A running container that is removed when the test ends, however it ends.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::Engine;
use crate::shell::Output;
use crate::world::World;

/// A detached container.
#[derive(Debug)]
pub struct Container<'w> {
    /// Its world.
    pub world: &'w World,
    /// Its engine.
    pub engine: Engine,
    /// Its name.
    pub name: String,
}

/// A name no other test uses.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "nct-{stem}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

impl<'w> Container<'w> {
    /// `docker run -d --runtime RUNTIME OPTIONS IMAGE COMMAND`; must succeed.
    #[track_caller]
    pub fn start(
        world: &'w World,
        runtime: &str,
        options: &[&str],
        image_and_command: &[&str],
    ) -> Container<'w> {
        Container::start_on(world, Engine::Plain, runtime, options, image_and_command)
    }

    /// The same on a chosen engine.
    #[track_caller]
    pub fn start_on(
        world: &'w World,
        engine: Engine,
        runtime: &str,
        options: &[&str],
        words: &[&str],
    ) -> Container<'w> {
        let container = Container {
            world,
            engine,
            name: unique("box"),
        };
        let mut args = vec!["run", "-d", "--name", &container.name, "--runtime", runtime];
        args.extend(options);
        args.extend(words);
        engine.docker(world, &args).ok();
        container
    }

    /// `docker exec NAME WORDS`.
    pub fn exec(&self, words: &[&str]) -> Output {
        self.exec_with(&[], words)
    }

    /// `docker exec OPTIONS NAME WORDS`.
    pub fn exec_with(&self, options: &[&str], words: &[&str]) -> Output {
        let mut args = vec!["exec"];
        args.extend(options);
        args.push(&self.name);
        args.extend(words);
        self.engine.docker(self.world, &args)
    }

    /// `docker VERB NAME`.
    pub fn verb(&self, words: &[&str]) -> Output {
        let mut args = words.to_vec();
        args.push(&self.name);
        self.engine.docker(self.world, &args)
    }

    /// A field of `docker inspect`.
    #[track_caller]
    pub fn inspect(&self, template: &str) -> String {
        self.engine
            .docker(self.world, &["inspect", "-f", template, &self.name])
            .ok()
            .text()
    }

    /// Host pid of the first process.
    ///
    /// # Panics
    /// When Docker shows none.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.inspect("{{.State.Pid}}").parse().expect("pid")
    }

    /// The container's full id, which is the box's name.
    #[track_caller]
    pub fn id(&self) -> String {
        self.inspect("{{.Id}}")
    }

    /// Its address on its first network.
    #[track_caller]
    pub fn ip(&self) -> String {
        self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}")
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Its hardware address on its first network.
    #[track_caller]
    pub fn mac(&self) -> String {
        self.inspect("{{range .NetworkSettings.Networks}}{{.MacAddress}} {{end}}")
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.engine.docker(self.world, &["rm", "-f", &self.name]);
    }
}

/// `docker run --rm --runtime RUNTIME OPTIONS IMAGE COMMAND`, in the foreground.
pub fn run(world: &World, runtime: &str, options: &[&str], words: &[&str]) -> Output {
    let name = unique("run");
    let mut args = vec!["run", "--rm", "--name", &name, "--runtime", runtime];
    args.extend(options);
    args.extend(words);
    world.docker(&args)
}
