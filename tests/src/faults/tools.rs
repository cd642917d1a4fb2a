//! What faults are made with: programs of the operating system, whether they can be used here, and copies of folders.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a program that must succeed.
///
/// # Errors
/// When it does not, with what it wrote to standard error.
pub fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Why no disks can be made and mounted here, if so.
pub fn missing_for_disks() -> Option<String> {
    let tools = ["mkfs.ext4", "mount", "umount"];
    missing_for_root()
        .or_else(|| tools.into_iter().find(|tool| !is_there(tool)).map(|tool| format!("there is no {tool}")))
        .or_else(|| (!Path::new("/dev/loop-control").exists()).then(|| "there are no loop devices".into()))
}

/// Why nothing can be mounted here, if so.
pub fn missing_for_root() -> Option<String> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    (!is_root).then(|| "only root can mount disks".into())
}

/// Why processes cannot be traced here, if so.
pub fn missing_for_tracing() -> Option<String> {
    let works = || Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    match works() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            Some(format!("strace does not work: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(_) => Some("there is no strace".into()),
    }
}

/// A mounted file system, until it is dropped.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// The file system in the file `disk`, at `path`.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn loop_disk(disk: &Path, path: &Path) -> Result<Self> {
        run(Command::new("mount").args(["-o", "loop"]).arg(disk).arg(path))?;
        Ok(Self(path.to_owned()))
    }

    /// Memory as a disk of so many bytes, at `path`.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn memory(bytes: u64, path: &Path) -> Result<Self> {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(path))?;
        Ok(Self(path.to_owned()))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(&self.0)) {
            eprintln!("cannot unmount {}: {error:#}", self.0.display());
        }
    }
}

/// Copies a folder with everything in it.
///
/// # Errors
/// The operating system's.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}
