//! The judgement, over every combination of the states of its evidence: reviewed as a table, and held to its laws.

use std::fmt::Write as _;
use std::fs;

use dism_mount_status::mount_point::WimMountData;
use dism_mount_status::registry::system_hive::FilterDriver;
use dism_mount_status::registry::{MountRegistration, RegistryExport};
use dism_mount_status::wim::{ResourceHeader, Wim, WimFlags, WimHeader};
use dism_mount_status::{
    DismMountMode, DismMountStatus,
    DismMountStatus::{Invalid, NeedsRemount},
    Error, Evidence, FileTime, FindingCode, ImageFile, Liveness, MountDirectory, NotCaptured,
    Observation,
    Observation::*,
    Rival, Verdict, derive,
};
use proptest::prelude::*;
use proptest::sample::select;
use uuid::{Uuid, uuid};

/// `Ok` itself is `Result`'s.
const OK: DismMountStatus = DismMountStatus::Ok;
const MOUNT_ID: Uuid = uuid!("e242237c-66ed-4958-b9ec-c49b07eaeeb5");
const REGISTERED: FileTime = FileTime::from_ticks(133_798_695_400_000_000);
const SECOND: u64 = FileTime::TICKS_PER_SECOND;

/// One way in which a part of the evidence can be.
#[derive(Clone, Copy)]
struct State {
    name: &'static str,
    set: fn(&mut Evidence),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn state(name: &'static str, set: fn(&mut Evidence)) -> State {
    State { name, set }
}

/// The states of each part; the first is sound, and where `damage` says so each of the others is worse than it.
struct Part {
    name: &'static str,
    states: &'static [State],
    is_damage: bool,
}

const PROGRESS: Part = Part {
    name: "progress",
    is_damage: true,
    states: &[
        state("2", |e| e.registration.progress_value = Present(2)),
        state("1", |e| e.registration.progress_value = Present(1)),
        state("3", |e| e.registration.progress_value = Present(3)),
        state("7", |e| e.registration.progress_value = Present(7)),
        state("missing", |e| e.registration.progress_value = Absent),
        state("unreadable", |e| {
            e.registration.progress_value = Unreadable(damage())
        }),
    ],
};

const LIVENESS: Part = Part {
    name: "liveness",
    is_damage: true,
    states: &[
        state("running", |e| e.liveness = Liveness::Running),
        state("unknown", |e| e.liveness = Liveness::Unknown),
        state("stopped", |e| e.liveness = Liveness::Stopped),
        state("running+restarted", |e| {
            e.liveness = Liveness::Running;
            e.last_shutdown = Present(FileTime::from_ticks(REGISTERED.ticks() + 1));
        }),
        state("unknown+restarted", |e| {
            e.liveness = Liveness::Unknown;
            e.last_shutdown = Present(FileTime::from_ticks(REGISTERED.ticks() + 1));
        }),
    ],
};

/// What the capture does not show is not damage: it stands in the next part.
const DIRECTORY: Part = Part {
    name: "directory",
    is_damage: true,
    states: &[
        state("sound", |e| {
            e.mount_directory = directory(Present(mount_data(MOUNT_ID)))
        }),
        state("absent", |e| e.mount_directory = Absent),
        state("unreadable", |e| e.mount_directory = Unreadable(damage())),
        state("other-mount", |e| {
            e.mount_directory = directory(Present(mount_data(Uuid::nil())))
        }),
        state("disagrees", |e| {
            let mut data = mount_data(MOUNT_ID);
            data.wim_path = Some(r"C:\other.wim".into());
            e.mount_directory = directory(Present(data));
        }),
        state("no-data", |e| e.mount_directory = directory(Absent)),
        state("bad-data", |e| {
            e.mount_directory = directory(Unreadable(damage()))
        }),
        state("no-streams", |e| {
            e.mount_directory = directory(NotCaptured(NotCaptured::Streams))
        }),
        state("not-given", |e| {
            e.mount_directory = NotCaptured(NotCaptured::KindOfEvidence)
        }),
        state("no-volume", |e| {
            e.mount_directory = NotCaptured(NotCaptured::Volume)
        }),
        state("no-path", |e| {
            e.mount_directory = NotCaptured(NotCaptured::Path)
        }),
    ],
};

const IMAGE: Part = Part {
    name: "image",
    is_damage: true,
    states: &[
        state("sound", |e| e.image_file = image(|_| {})),
        state("absent", |e| e.image_file = Absent),
        state("unreadable", |e| e.image_file = Unreadable(damage())),
        state("not-a-wim", |e| {
            e.image_file = Present(ImageFile::new(Err(damage())))
        }),
        state("not-given", |e| {
            e.image_file = NotCaptured(NotCaptured::KindOfEvidence)
        }),
        state("no-volume", |e| {
            e.image_file = NotCaptured(NotCaptured::Volume)
        }),
        state("no-path", |e| e.image_file = NotCaptured(NotCaptured::Path)),
    ],
};

/// Parts that stand beside the others: each is tried with every liveness, all else being sound.
const BESIDE: [Part; 5] = [
    Part {
        name: "registration",
        is_damage: true,
        states: &[
            state("whole", |_| {}),
            state("no-mount-path", |e| e.registration.mount_path = Absent),
            state("odd-mount-path", |e| {
                e.registration.mount_path = Present("C:\\a\" & del x".into())
            }),
            state("empty-mount-path", |e| {
                e.registration.mount_path = Present(" ".into())
            }),
            state("dollar-in-mount-path", |e| {
                e.registration.mount_path = Present(r"C:\$WINDOWS.~BT\SafeOS.Mount".into());
                e.mount_directory = Absent;
            }),
            state("variable-in-mount-path", |e| {
                e.registration.mount_path = Present(r"%SystemDrive%\mount".into())
            }),
            state("no-image-path", |e| e.registration.image_file_path = Absent),
            state("no-index", |e| e.registration.image_index = Absent),
            state("bad-index", |e| {
                e.registration.image_index = Unreadable(damage())
            }),
            state("index-0", |e| e.registration.image_index = Present(0)),
            state("index-9", |e| e.registration.image_index = Present(9)),
            state("no-guid", |e| e.registration.mount_id = None),
            state("volume-root", |e| {
                e.registration.mount_path = Present(r"D:\".into());
                e.mount_directory = NotCaptured(NotCaptured::Volume);
            }),
        ],
    },
    Part {
        name: "rivals",
        is_damage: true,
        states: &[
            state("none", |_| {}),
            state("earlier", |e| e.mount_path_rivals = vec![rival(Some(-1))]),
            state("later", |e| e.mount_path_rivals = vec![rival(Some(1))]),
            state("untimed", |e| e.mount_path_rivals = vec![rival(None)]),
            state("later-and-no-streams", |e| {
                e.mount_path_rivals = vec![rival(Some(1))];
                e.mount_directory = directory(NotCaptured(NotCaptured::Streams));
            }),
            state("untimed-and-no-streams", |e| {
                e.mount_path_rivals = vec![rival(None)];
                e.mount_directory = directory(NotCaptured(NotCaptured::Streams));
            }),
            state("earlier-and-no-streams", |e| {
                e.mount_path_rivals = vec![rival(Some(-1))];
                e.mount_directory = directory(NotCaptured(NotCaptured::Streams));
            }),
            state("simultaneous-and-no-streams", |e| {
                e.mount_path_rivals = vec![rival(Some(0))];
                e.mount_directory = directory(NotCaptured(NotCaptured::Streams));
            }),
            state("same-image", |e| e.image_rivals = vec![rival(None)]),
        ],
    },
    Part {
        name: "wim",
        is_damage: true,
        states: &[
            state("whole", |_| {}),
            state("split", |e| {
                e.image_file = image(|wim| wim.header.total_parts = 3)
            }),
            state("solid", |e| {
                e.image_file = image(|wim| wim.header.version = WimHeader::VERSION_SOLID)
            }),
            state("lzms", |e| {
                e.image_file =
                    image(|wim| wim.header.flags = WimFlags::COMPRESSION | WimFlags::COMPRESS_LZMS)
            }),
            state("being-written", |e| {
                e.image_file = image(|wim| wim.header.flags |= WimFlags::WRITE_IN_PROGRESS)
            }),
            state("read-only", |e| {
                e.image_file = image(|wim| wim.header.flags |= WimFlags::READONLY)
            }),
            state("truncated", |e| {
                e.image_file = image(|wim| wim.cut_off = vec!["the lookup table"])
            }),
            state("written-within-2s", |e| e.image_file = written(2 * SECOND)),
            state("written-after-2s", |e| {
                e.image_file = written(2 * SECOND + 1)
            }),
        ],
    },
    Part {
        name: "driver",
        is_damage: true,
        states: &[
            state("startable", |e| {
                e.filter_driver = Present(FilterDriver::Startable)
            }),
            state("disabled", |e| {
                e.filter_driver = Present(FilterDriver::Disabled)
            }),
            state("no-file", |e| {
                e.filter_driver = Present(FilterDriver::NoImagePath)
            }),
            state("absent", |e| e.filter_driver = Absent),
            state("unreadable", |e| e.filter_driver = Unreadable(damage())),
            state("not-given", |e| {
                e.filter_driver = NotCaptured(NotCaptured::KindOfEvidence)
            }),
        ],
    },
    Part {
        name: "mode",
        is_damage: false,
        states: &[
            state("not-recorded", |_| {}),
            state("read-write", |e| {
                e.mount_mode = Some(DismMountMode::ReadWrite)
            }),
            state("read-only", |e| {
                e.mount_mode = Some(DismMountMode::ReadOnly)
            }),
        ],
    },
];

/// Some error of the readers.
fn damage() -> Error {
    DismMountStatus::try_from(3).unwrap_err()
}

fn directory(mount_data: Observation<WimMountData>) -> Observation<MountDirectory> {
    Present(MountDirectory::new(mount_data))
}

fn mount_data(mount_id: Uuid) -> WimMountData {
    let mut mount_data = WimMountData::new(mount_id);
    mount_data.wim_path = Some(r"\\?\c:\IMAGES\foo.wim".into());
    mount_data.mount_path = Some(r"C:\mount\".into());
    mount_data
}

fn image(change: fn(&mut Wim)) -> Observation<ImageFile> {
    const NOWHERE: ResourceHeader = ResourceHeader {
        size: 0,
        flags: 0,
        offset: 0,
        original_size: 0,
    };
    let mut wim = Wim::new(WimHeader {
        is_pipable: false,
        version: 0x10D00,
        flags: WimFlags::empty(),
        chunk_size: 0,
        guid: Uuid::nil(),
        part_number: 1,
        total_parts: 1,
        image_count: 2,
        lookup_table: NOWHERE,
        xml_data: NOWHERE,
        boot_metadata: NOWHERE,
        boot_index: 0,
        integrity_table: NOWHERE,
    });
    change(&mut wim);
    let mut file = ImageFile::new(Ok(wim));
    file.modified = Some(REGISTERED);
    Present(file)
}

fn written(after: u64) -> Observation<ImageFile> {
    let Present(mut file) = image(|_| {}) else {
        unreachable!()
    };
    file.modified = Some(FileTime::from_ticks(REGISTERED.ticks() + after));
    Present(file)
}

fn rival(after: Option<i64>) -> Rival {
    let mut rival = Rival::new("{another}");
    rival.mount_path = Some(r"C:\other".into());
    rival.registered_at =
        after.map(|after| FileTime::from_ticks(REGISTERED.ticks().wrapping_add_signed(after)));
    rival
}

fn registration() -> MountRegistration {
    let text = format!(
        "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\WIMMount\\Mounted Images\\{{{MOUNT_ID}}}]\n\
         \"Mount Path\"=\"C:\\\\mount\"\n\"WIM Path\"=\"C:\\\\images\\\\foo.wim\"\n\"Image Index\"=dword:2\n\"Status\"=dword:2\n"
    );
    let export = RegistryExport::open(text.as_bytes(), Default::default()).unwrap();
    let mut registration = export
        .read_mount_registry()
        .unwrap()
        .registrations
        .remove(0);
    registration.registered_at = Some(REGISTERED);
    registration
}

/// Sound evidence with these states set.
fn evidence(states: impl IntoIterator<Item = State>) -> Evidence {
    let mut evidence = Evidence::from_registration(registration());
    for part in [&PROGRESS, &LIVENESS, &DIRECTORY, &IMAGE] {
        (part.states[0].set)(&mut evidence);
    }
    for state in states {
        (state.set)(&mut evidence);
    }
    evidence
}

fn row(out: &mut String, states: &[&str], verdict: &Verdict) {
    let possible: Vec<&str> = verdict
        .possible_statuses
        .iter()
        .map(|status| status.powershell_text())
        .collect();
    let findings: Vec<String> = verdict
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{}/{:?}/{:?}",
                finding.code, finding.severity, finding.basis
            )
        })
        .collect();
    let next = verdict.next_step.as_ref().map_or_else(
        || "-".to_owned(),
        |step| {
            let warning = if step.destroys_changes {
                " (destroys changes)"
            } else {
                ""
            };
            format!("{}{warning}", step.command)
        },
    );
    let flags: Vec<&str> = verdict.mount_flags.names().collect();
    writeln!(
        out,
        "{}\t{}\t{}\t{}\t{}\t{next}",
        states.join("\t"),
        verdict.mount_status,
        possible.join("|"),
        flags.join("|"),
        findings.join(" ")
    )
    .unwrap();
}

/// Compares with a committed table; `UPDATE_GOLDEN=1` writes it anew, for review.
fn golden(name: &str, table: &str) {
    let path = format!("fixtures/derive/{name}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, table).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differing = table
        .lines()
        .zip(committed.lines())
        .find(|(new, old)| new != old);
    if let Some((new, old)) = differing {
        panic!("{path} differs; UPDATE_GOLDEN=1 rewrites it for review\n  was {old}\n  is  {new}");
    }
    assert_eq!(
        table.lines().count(),
        committed.lines().count(),
        "{path}: other number of rows"
    );
}

const RESULT_COLUMNS: &str = "status\tpossible\tflags\tfindings\tnext step";

#[test]
fn the_ladder_over_every_combination_is_as_reviewed() {
    let mut table = format!("progress\tliveness\tdirectory\timage\t{RESULT_COLUMNS}\n");
    for &progress in PROGRESS.states {
        for &liveness in LIVENESS.states {
            for &directory in DIRECTORY.states {
                for &image in IMAGE.states {
                    let states = [progress, liveness, directory, image];
                    row(
                        &mut table,
                        &states.map(|state| state.name),
                        &derive(&evidence(states)),
                    );
                }
            }
        }
    }
    golden("ladder.tsv", &table);
}

#[test]
fn what_stands_beside_the_ladder_is_as_reviewed() {
    let mut table = format!("part\tstate\tprogress\tliveness\t{RESULT_COLUMNS}\n");
    for part in &BESIDE {
        for &state in part.states {
            for &progress in &PROGRESS.states[..3] {
                for &liveness in LIVENESS.states {
                    let names = [part.name, state.name, progress.name, liveness.name];
                    row(
                        &mut table,
                        &names,
                        &derive(&evidence([progress, liveness, state])),
                    );
                }
            }
        }
    }
    golden("beside-the-ladder.tsv", &table);
}

/// The rows that the contract and the project's facts spell out.
#[test]
fn the_rows_of_the_ladder_give_their_status() {
    let find =
        |part: &Part, name: &str| *part.states.iter().find(|state| state.name == name).unwrap();
    let status = |progress, liveness, directory, image| {
        let states = [
            find(&PROGRESS, progress),
            find(&LIVENESS, liveness),
            find(&DIRECTORY, directory),
            find(&IMAGE, image),
        ];
        let verdict = derive(&evidence(states));
        (
            verdict.mount_status,
            verdict.possible_statuses,
            verdict.mount_flags.names().collect::<Vec<_>>(),
        )
    };
    let invalid = |flags: &[&'static str]| (Invalid, vec![Invalid], flags.to_vec());
    assert_eq!(
        status("2", "stopped", "absent", "sound"),
        invalid(&["INVALID", "NO_MOUNTDIR"])
    );
    assert_eq!(
        status("2", "stopped", "no-data", "sound"),
        invalid(&["INVALID", "NO_MOUNTDIR"])
    );
    assert_eq!(
        status("2", "stopped", "other-mount", "sound"),
        invalid(&["INVALID", "MOUNTDIR_REPLACED"])
    );
    assert_eq!(
        status("2", "stopped", "bad-data", "sound"),
        invalid(&["INVALID"])
    );
    assert_eq!(
        status("2", "stopped", "sound", "absent"),
        invalid(&["INVALID", "NO_WIM"])
    );
    assert_eq!(
        status("3", "running", "sound", "sound"),
        invalid(&["INVALID"])
    );
    assert_eq!(
        status("1", "stopped", "sound", "sound"),
        invalid(&["INVALID"])
    );
    assert_eq!(
        status("1", "unknown", "sound", "sound"),
        invalid(&["INVALID"])
    );
    assert_eq!(
        status("1", "running", "sound", "sound"),
        invalid(&["MOUNTING"])
    );
    assert_eq!(
        status("2", "stopped", "sound", "sound"),
        (NeedsRemount, vec![NeedsRemount], vec!["REMOUNTABLE"])
    );
    assert_eq!(
        status("2", "running+restarted", "sound", "sound"),
        (NeedsRemount, vec![NeedsRemount], vec!["REMOUNTABLE"])
    );
    assert_eq!(
        status("2", "running", "sound", "sound"),
        (OK, vec![OK], vec!["MOUNTED"])
    );
    assert_eq!(
        status("2", "unknown", "sound", "sound"),
        (OK, vec![OK, NeedsRemount], vec!["MOUNTED"])
    );
    assert_eq!(
        status("2", "unknown", "not-given", "not-given"),
        (OK, vec![OK, NeedsRemount], vec!["MOUNTED"])
    );
}

#[test]
fn messages_name_the_recorded_paths() {
    let message = |change: fn(&mut Evidence)| {
        let mut evidence = evidence([]);
        evidence.mount_directory = Absent;
        change(&mut evidence);
        let mut findings = derive(&evidence).findings.into_iter();
        let missing = findings.find(|it| it.code == FindingCode::MountDirectoryMissing);
        missing.unwrap().message
    };
    assert_eq!(
        message(|_| {}),
        r"the mount directory C:\mount is not there"
    );
    assert_eq!(
        message(|e| e.registration.mount_path = Absent),
        "the mount directory (not recorded) is not there"
    );
}

#[test]
fn paths_stand_in_commands_as_one_argument_or_not_at_all() {
    let command = |path: &str| {
        let mut evidence = evidence([]);
        evidence.registration.mount_path = Present(path.into());
        let command = derive(&evidence).next_step.unwrap().command;
        let argument = command.strip_prefix("dism /Unmount-Image /MountDir:");
        argument.and_then(|argument| Some(argument.strip_suffix(" /Commit")?.to_owned()))
    };
    for (path, argument) in [
        (r"C:\a b\", r#""C:\a b""#),
        (r"\\?\C:\m", r#""\\?\C:\m""#),
        ("D:", r"D:\"),
        (r"D:\", r"D:\"),
        ("1:", r#""1:""#),
    ] {
        assert_eq!(command(path).as_deref(), Some(argument), "{path}");
    }
    for path in [
        "",
        r"\",
        r"C:\a?",
        r"C:\$(x)",
        r#"C:\a"b"#,
        "C:\\a\nb",
        r"%TEMP%\a",
    ] {
        assert_eq!(command(path), None, "{path}");
    }
}

#[test]
fn of_a_path_with_a_variable_the_rest_is_held_against_the_stream() {
    let disagrees = |path: &str| {
        let mut evidence = evidence([]);
        evidence.registration.mount_path = Present(path.into());
        let mut findings = derive(&evidence).findings.into_iter();
        findings.any(|it| it.code == FindingCode::RegistryAndMountDataDisagree)
    };
    assert!(!disagrees(r"%SystemDrive%\mount"));
    assert!(disagrees(r"%SystemDrive%\other"));
    assert!(!disagrees(" "));
    assert!(disagrees(r"C:\100%\mount"));
}

#[test]
fn what_has_to_be_minded_stands_in_the_note() {
    let note = |progress: u32, liveness: Liveness, path: &str| {
        let mut evidence = evidence([]);
        evidence.registration.progress_value = Present(progress);
        evidence.registration.mount_path = Present(path.into());
        evidence.liveness = liveness;
        derive(&evidence).next_step.unwrap().note
    };
    let may_go_on = "If mounting may still be going on";
    let is_asked = |liveness| note(1, liveness, r"C:\m").starts_with(may_go_on);
    assert!(is_asked(Liveness::Unknown) && !is_asked(Liveness::Stopped));
    assert!(!note(3, Liveness::Unknown, r"C:\m").contains(may_go_on));
    let dollar = "In PowerShell, write a backtick before each `$`.";
    let leftover = r"C:\$WINDOWS.~BT\Sources\SafeOS\SafeOS.Mount";
    assert!(note(3, Liveness::Stopped, leftover).ends_with(dollar));
    assert!(!note(3, Liveness::Stopped, r"C:\m").ends_with(dollar));
}

#[test]
fn of_an_earlier_state_of_the_machine_nothing_is_advised_but_to_look_up_the_present_one() {
    for progress in 1..=4 {
        let mut evidence = evidence([]);
        evidence.registration.progress_value = Present(progress);
        evidence.liveness = Liveness::Running;
        let now = derive(&evidence);
        evidence.is_earlier_state = true;
        let then = derive(&evidence);
        assert_eq!(then.mount_status, now.mount_status);
        assert_eq!(then.findings, now.findings);
        let step = then.next_step.unwrap();
        assert_eq!(step.command, "dism /Get-MountedImageInfo");
        assert!(!step.destroys_changes && step.note.contains("earlier state"));
    }
}

/// Any states of all parts, those beside the ladder included.
fn any_states() -> impl Strategy<Value = Vec<State>> {
    let ladder = [&PROGRESS, &LIVENESS, &DIRECTORY, &IMAGE];
    let parts = ladder.into_iter().chain(&BESIDE);
    parts.map(|part| select(part.states)).collect::<Vec<_>>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_status_is_among_the_possible_ones_in_order(states in any_states()) {
        let verdict = derive(&evidence(states));
        prop_assert!(verdict.possible_statuses.contains(&verdict.mount_status));
        prop_assert!(verdict.possible_statuses.is_sorted());
        prop_assert_eq!(verdict.mount_flags.inferred_status(), verdict.mount_status);
        prop_assert!(verdict.mount_status == OK || !verdict.findings.is_empty(), "no reason for {:?}", verdict);
    }

    #[test]
    fn nothing_that_destroys_changes_is_advised_on_a_doubt(states in any_states()) {
        let verdict = derive(&evidence(states));
        if verdict.next_step.is_some_and(|step| step.destroys_changes) {
            prop_assert_eq!(verdict.possible_statuses, [Invalid]);
        }
    }

    #[test]
    fn evidence_of_damage_never_improves_a_status(states in any_states(), part in 0usize..4, with in any::<prop::sample::Index>()) {
        let parts = [&PROGRESS, &LIVENESS, &DIRECTORY, &IMAGE];
        prop_assert!(parts[part].is_damage);
        let mut sound = states.clone();
        sound[part] = parts[part].states[0];
        let mut damaged = states;
        damaged[part] = parts[part].states[with.index(parts[part].states.len())];
        prop_assert!(derive(&evidence(sound)).mount_status <= derive(&evidence(damaged)).mount_status);
    }

    #[test]
    fn a_command_never_holds_what_a_shell_would_run(path in "\\PC{0,20}[:\\\\ ]?", status in 1u32..4) {
        let mut evidence = evidence([]);
        evidence.registration.mount_path = Present(path.as_str().into());
        evidence.registration.progress_value = Present(status);
        let command = derive(&evidence).next_step.unwrap().command;
        let argument = command.split_once(" /MountDir:").map_or("", |(_, argument)| argument);
        prop_assert!(argument.is_empty() || argument.starts_with('"') || argument.as_bytes()[1..].starts_with(b":\\"), "{command}");
        let quotes = command.matches('"').count();
        prop_assert!(quotes == 0 || quotes == 2, "{command}");
        prop_assert!(!command.contains(['\n', '\r', '%', '`', '|', '<', '>', '\u{201C}', '\u{201D}', '\u{201E}']) && !command.contains("$("), "{command}");
    }
}

#[test]
fn damage_beside_the_ladder_never_improves_a_status() {
    for part in BESIDE.iter().filter(|part| part.is_damage) {
        for &state in part.states {
            for &liveness in LIVENESS.states {
                let sound = derive(&evidence([liveness, part.states[0]])).mount_status;
                let damaged = derive(&evidence([liveness, state])).mount_status;
                assert!(
                    sound <= damaged,
                    "{}: {}, {liveness:?}",
                    part.name,
                    state.name
                );
            }
        }
    }
}
