//! What this process costs, as Linux counts it.

use std::time::Duration;

/// Linux counts CPU time for programs in hundredths of a second on every machine (`USER_HZ`; proc(5) and
/// `include/asm-generic/param.h`).
const TICK: Duration = Duration::from_millis(10);

/// CPU time of all threads so far, user and system; to a hundredth of a second. `None` where there is no `/proc`.
pub(super) fn cpu_time() -> Option<Duration> {
    parse_cpu_time(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Memory of the process that is in RAM now, bytes.
pub(super) fn resident_bytes() -> Option<u64> {
    parse_resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Fields 14 and 15 of `proc_pid_stat(5)`, counted from 1; the name in field 2 may hold anything, spaces and brackets too.
fn parse_cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    TICK.checked_mul(user.checked_add(system)?)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_whatever_the_program_is_called() {
        let stat = "4242 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 3 0 99 1000";
        assert_eq!(parse_cpu_time(stat), Some(Duration::from_secs(2)));
        for broken in [
            "",
            "4242",
            "4242 (a) S 1 2 3",
            "1 (a) S 1 2 3 4 5 6 7 8 9 10 x 50",
            "1 (a) S 1 2 3 4 5 6 7 8 9 10 -5 50",
        ] {
            assert_eq!(parse_cpu_time(broken), None, "{broken}");
        }
    }

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t   2048 kB\n"), Some(2 << 20));
        for broken in ["", "VmRSS:", "VmRSS: many kB", "VmRSS: 5 MB", "VmRSS: 99999999999999999999 kB"] {
            assert_eq!(parse_resident(broken), None, "{broken}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_both() {
        assert!(cpu_time().is_some() && resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
