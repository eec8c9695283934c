//! The extensions of an environment and how far each has come (AWS Lambda Developer Guide, "Using the Lambda Extensions
//! API to create extensions").
//!
//! ```text
//! Launched ──register──▶ Registered ──next──▶ Waiting ──INVOKE──▶ Busy ──next──▶ Waiting ──SHUTDOWN──▶ Stopping ──▶ Gone
//! (external alone)
//! ```

use lambent_model::ExtensionId;

/// "You can register up to 10 extensions for a function."
pub(crate) const MOST_EXTENSIONS: usize = 10;

/// The events that an extension has registered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Events {
    pub(crate) invoke: bool,
    pub(crate) shutdown: bool,
}

impl Events {
    /// The events' names, as AWS writes them.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let named = [(self.invoke, "INVOKE"), (self.shutdown, "SHUTDOWN")];
        named.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name).collect()
    }
}

/// Why a call of the Extensions API is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The runtime has asked for its first event.
    RegistrationClosed,
    /// An extension of this name has registered.
    NameTaken,
    /// There are ten.
    TooMany,
    /// An internal extension cannot have the event SHUTDOWN.
    ShutdownOfInternal,
    /// Nobody has this identifier.
    Unknown,
    /// Not allowed in the extension's state.
    State { from: &'static str, to: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Launched,
    Registered,
    Waiting,
    Busy,
    /// It has said, or is about to be told by its end, that it failed.
    Failed(&'static str),
    Stopping,
    Gone,
}

impl At {
    fn name(self) -> &'static str {
        match self {
            Self::Launched => "Started",
            Self::Registered => "Registered",
            Self::Waiting => "Ready",
            Self::Busy => "Running",
            Self::Failed(name) => name,
            Self::Stopping => "ShuttingDown",
            Self::Gone => "Exited",
        }
    }
}

#[derive(Debug)]
struct Member {
    name: String,
    /// Its process's slot; absent for one inside the runtime.
    slot: Option<u8>,
    /// Present from its registration on.
    identifier: Option<ExtensionId>,
    events: Events,
    at: At,
    error_type: Option<String>,
}

/// How an extension's initialisation went, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) events: Vec<&'static str>,
    pub(crate) error_type: Option<String>,
}

/// What a shutdown means for an extension.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dismissal {
    /// It is told, and ends by itself.
    Tell(ExtensionId),
    /// It did not want to be told.
    Kill(u8),
}

/// All extensions of one generation of the sandbox's processes.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: Vec<Member>,
    closed: bool,
}

impl Roster {
    /// A new generation: those whose processes are about to be started.
    pub(super) fn launch(&mut self, names: &[String]) {
        self.closed = false;
        let member = |(slot, name): (usize, &String)| Member {
            name: name.clone(),
            slot: u8::try_from(slot).ok(),
            identifier: None,
            events: Events::default(),
            at: At::Launched,
            error_type: None,
        };
        self.members = names.iter().enumerate().map(member).collect();
    }

    /// Nobody may register any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// The extension of this name is external if a file of that name was started, and internal otherwise.
    pub(super) fn register(
        &mut self,
        name: &str,
        events: Events,
        identifier: ExtensionId,
    ) -> Result<(), Refusal> {
        match self.members.iter_mut().find(|member| member.name == name) {
            Some(member) if member.slot.is_none() => return Err(Refusal::NameTaken),
            Some(member) if member.at != At::Launched => {
                return Err(Refusal::State { from: member.at.name(), to: At::Registered.name() });
            }
            Some(member) => {
                (member.events, member.identifier, member.at) = (events, Some(identifier), At::Registered);
                return Ok(());
            }
            None => {}
        }
        if events.shutdown {
            return Err(Refusal::ShutdownOfInternal);
        }
        if self.closed {
            return Err(Refusal::RegistrationClosed);
        }
        if self.members.len() >= MOST_EXTENSIONS {
            return Err(Refusal::TooMany);
        }
        let identifier = Some(identifier);
        let name = name.to_owned();
        self.members.push(Member {
            name,
            slot: None,
            identifier,
            events,
            at: At::Registered,
            error_type: None,
        });
        Ok(())
    }

    fn by_identifier(&mut self, identifier: ExtensionId) -> Result<&mut Member, Refusal> {
        let found = self.members.iter_mut().find(|member| member.identifier == Some(identifier));
        found.ok_or(Refusal::Unknown)
    }

    /// The extension asks for its next event, and so is done with the last. A repeated question waits as the first did.
    pub(super) fn next(&mut self, identifier: ExtensionId) -> Result<(), Refusal> {
        let member = self.by_identifier(identifier)?;
        match member.at {
            At::Registered | At::Busy | At::Waiting => member.at = At::Waiting,
            At::Stopping => {}
            at => return Err(Refusal::State { from: at.name(), to: At::Waiting.name() }),
        }
        Ok(())
    }

    /// The extension says that it failed, `InitError` or `ExitError`: its end is about to follow.
    pub(super) fn fail(
        &mut self,
        identifier: ExtensionId,
        state: &'static str,
        error_type: String,
    ) -> Result<(), Refusal> {
        let member = self.by_identifier(identifier)?;
        let allowed = match state {
            "InitError" => member.at == At::Registered,
            _ => !matches!(member.at, At::Launched | At::Failed(_) | At::Gone),
        };
        if !allowed {
            return Err(Refusal::State { from: member.at.name(), to: state });
        }
        (member.at, member.error_type) = (At::Failed(state), Some(error_type));
        Ok(())
    }

    /// The process in this slot was not started.
    pub(super) fn launch_failed(&mut self, slot: u8, error_type: &str) {
        if let Some(member) = self.in_slot(slot) {
            (member.at, member.error_type) = (At::Failed("LaunchError"), Some(error_type.to_owned()));
        }
    }

    /// The process in this slot has ended.
    pub(super) fn exited(&mut self, slot: u8) {
        if let Some(member) = self.in_slot(slot)
            && !matches!(member.at, At::Failed(_))
        {
            member.at = At::Gone;
        }
    }

    fn in_slot(&mut self, slot: u8) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.slot == Some(slot))
    }

    /// Whether all whose processes were started have registered.
    pub(super) fn have_registered(&self) -> bool {
        self.members.iter().all(|member| member.at != At::Launched)
    }

    /// Whether all have asked for their next event.
    pub(super) fn are_waiting(&self) -> bool {
        self.members.iter().all(|member| member.at == At::Waiting)
    }

    /// Whether any is still at work on the invocation.
    pub(super) fn is_busy(&self) -> bool {
        self.members.iter().any(|member| member.at == At::Busy)
    }

    /// Whether any has registered.
    pub(super) fn anyone(&self) -> bool {
        self.members.iter().any(|member| member.identifier.is_some())
    }

    /// Whether any is a process of its own.
    pub(super) fn has_external(&self) -> bool {
        self.members.iter().any(|member| member.slot.is_some())
    }

    /// Those who are to hear of an invocation, and are at work from now on.
    pub(super) fn invoke(&mut self) -> impl Iterator<Item = ExtensionId> {
        self.members.iter_mut().filter(|member| member.events.invoke && member.at == At::Waiting).filter_map(
            |member| {
                member.at = At::Busy;
                member.identifier
            },
        )
    }

    /// What becomes of those whose processes live.
    pub(super) fn dismiss(&mut self) -> Vec<Dismissal> {
        let living = self.members.iter_mut().filter(|member| member.is_process());
        living
            .filter_map(|member| match member.identifier {
                Some(identifier) if member.events.shutdown => {
                    member.at = At::Stopping;
                    Some(Dismissal::Tell(identifier))
                }
                _ => member.slot.map(Dismissal::Kill),
            })
            .collect()
    }

    /// Whether no process of an extension lives.
    pub(super) fn are_gone(&self) -> bool {
        !self.members.iter().any(Member::is_process)
    }

    /// How each stands, for the log.
    pub(super) fn standings(&self) -> impl Iterator<Item = Standing> {
        self.members.iter().map(|member| Standing {
            name: member.name.clone(),
            state: member.at.name(),
            events: member.events.names(),
            error_type: member.error_type.clone(),
        })
    }

    /// The name of who has this identifier.
    pub(super) fn name(&self, identifier: ExtensionId) -> Option<&str> {
        let found = self.members.iter().find(|member| member.identifier == Some(identifier));
        found.map(|member| member.name.as_str())
    }
}

impl Member {
    /// Whether it is a process that may still live.
    fn is_process(&self) -> bool {
        self.slot.is_some() && !matches!(self.at, At::Gone | At::Failed("LaunchError"))
    }
}
