//! Works on many pieces of evidence side by side, and gives the results in the order of the evidence.

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many results of each job may wait for one before them, so that memory stays bounded. As many again may have been taken and
/// not given away yet.
const AHEAD: usize = 16;
/// How long more results are waited for when one is there: to be woken for each costs as much as a small export.
const GATHERING: Duration = Duration::from_millis(1);

/// Works on `items` in `jobs` threads, and gives each result to `each`, in the order of the items. A single job needs no
/// thread of its own.
///
/// A panic of `work` is a result, too: `failed` makes it of the panic's message.
///
/// # Errors
/// That of `each`, after which nothing more is begun.
pub(crate) fn run<I: Send, R: Send>(
    items: impl Iterator<Item = I> + Send,
    jobs: NonZero<usize>,
    work: impl Fn(&I) -> R + Sync,
    failed: impl Fn(&I, &str) -> R + Sync,
    each: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    // What the work looks at belongs to it alone.
    let attempt = |item: &I| {
        let result = catch_unwind(AssertUnwindSafe(|| work(item)));
        result.unwrap_or_else(|panic| failed(item, message(&*panic)))
    };
    if jobs.get() == 1 {
        return items.map(|item| attempt(&item)).try_for_each(each);
    }
    let queue = Queue {
        items: Mutex::new(items.enumerate()),
        progress: Mutex::new(Progress {
            begun: 0,
            taken: 0,
            running: jobs.get(),
            is_over: false,
            is_awaited: false,
            results: BTreeMap::new(),
        }),
        ready: Condvar::new(),
        room: Condvar::new(),
        most_begun: jobs.get() * AHEAD,
    };
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| {
                while let Some((number, item)) = queue.begin() {
                    queue.finish(number, attempt(&item));
                }
                queue.leave();
            });
        }
        let _end = EndOnDrop(&queue);
        iter::from_fn(|| queue.take()).flatten().try_for_each(each)
    })
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

struct Queue<T, R> {
    items: Mutex<T>,
    progress: Mutex<Progress<R>>,
    /// The next result in order is there, or there will be none.
    ready: Condvar,
    /// There is room for another result, or none is wanted any more.
    room: Condvar,
    /// How many items may be begun and not taken yet.
    most_begun: usize,
}

struct Progress<R> {
    begun: usize,
    /// How many results were taken, which is the number of the next one.
    taken: usize,
    /// How many threads may still give results.
    running: usize,
    is_over: bool,
    /// Whether somebody waits for the next result: a needless wake-up costs, too.
    is_awaited: bool,
    results: BTreeMap<usize, R>,
}

/// Nothing more is begun when the results are no longer taken, be it for an error or a panic.
struct EndOnDrop<'a, T, R>(&'a Queue<T, R>);

impl<T, R> Drop for EndOnDrop<'_, T, R> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<T, R> Queue<T, R> {
    fn progress(&self) -> MutexGuard<'_, Progress<R>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is begun.
    fn end(&self) {
        self.progress().is_over = true;
        self.room.notify_all();
    }
}

impl<I, T: Iterator<Item = (usize, I)>, R> Queue<T, R> {
    /// The next item, as soon as there is room for its result.
    fn begin(&self) -> Option<(usize, I)> {
        let is_full = |progress: &mut Progress<R>| {
            !progress.is_over && progress.begun - progress.taken >= self.most_begun
        };
        let waited = self.room.wait_while(self.progress(), is_full);
        let mut progress = waited.unwrap_or_else(PoisonError::into_inner);
        if progress.is_over {
            return None;
        }
        progress.begun += 1;
        drop(progress);
        let item = self
            .items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next();
        if item.is_none() {
            self.end();
        }
        item
    }

    fn finish(&self, number: usize, result: R) {
        let mut progress = self.progress();
        progress.results.insert(number, result);
        if number == progress.taken && std::mem::take(&mut progress.is_awaited) {
            self.ready.notify_one();
        }
    }

    fn leave(&self) {
        self.progress().running -= 1;
        self.ready.notify_one();
    }

    /// The next results in order, one at least; `None` when there are none any more.
    fn take(&self) -> Option<Vec<R>> {
        let is_missing = |progress: &Progress<R>| {
            progress.running > 0 && !progress.results.contains_key(&progress.taken)
        };
        let mut progress = self.progress();
        if is_missing(&progress) {
            progress.is_awaited = true;
            let waited = self
                .ready
                .wait_while(progress, |progress| is_missing(progress));
            drop(waited);
            thread::sleep(GATHERING);
            progress = self.progress();
        }
        let mut results = Vec::new();
        while let Some(result) = {
            let next = progress.taken;
            progress.results.remove(&next)
        } {
            progress.taken += 1;
            results.push(result);
        }
        drop(progress);
        self.room.notify_all();
        (!results.is_empty()).then_some(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn jobs(count: usize) -> NonZero<usize> {
        NonZero::new(count).unwrap()
    }

    fn collect(
        count: usize,
        items: impl Iterator<Item = usize> + Send,
        work: impl Fn(&usize) -> usize + Sync,
    ) -> Vec<usize> {
        let mut results = Vec::new();
        let failed = |_: &usize, message: &str| message.len();
        run(items, jobs(count), work, failed, |result| {
            results.push(result);
            Ok(())
        })
        .unwrap();
        results
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for count in [1, 2, 5] {
            let slow_at_first = |&item: &usize| {
                if item.is_multiple_of(7) {
                    thread::sleep(Duration::from_millis(2));
                }
                item * 2
            };
            let expected: Vec<_> = (0..100).map(|item| item * 2).collect();
            assert_eq!(collect(count, 0..100, slow_at_first), expected);
        }
        assert_eq!(collect(3, 0..0, |&item| item), [] as [usize; 0]);
    }

    #[test]
    fn no_more_is_begun_than_there_is_room_for() {
        let begun = AtomicUsize::new(0);
        let items = (0..1000).inspect(|_| {
            begun.fetch_add(1, Ordering::SeqCst);
        });
        let mut taken = 0;
        let failed = |_: &usize, _: &str| 0;
        run(
            items,
            jobs(2),
            |&item| item,
            failed,
            |_| {
                taken += 1;
                assert!(begun.load(Ordering::SeqCst) <= taken + 4 * AHEAD);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(taken, 1000);
    }

    #[test]
    fn a_panic_is_the_result_of_its_item_only() {
        for count in [1, 2] {
            let results = collect(count, 0..3, |&item| match item {
                1 => panic!("four"),
                _ => item,
            });
            assert_eq!(results, [0, 4, 2]);
        }
    }

    #[test]
    #[should_panic(expected = "in the middle")]
    fn a_panic_with_a_result_ends_the_work() {
        let each = |result| match result {
            5 => panic!("in the middle"),
            _ => Ok(()),
        };
        let _ = run(0.., jobs(2), |&item| item, |_, _| 0, each);
    }

    #[test]
    fn an_error_ends_the_work() {
        for count in [1, 2] {
            let begun = AtomicUsize::new(0);
            let items = (0..).inspect(|_| {
                begun.fetch_add(1, Ordering::SeqCst);
            });
            let each = |result| match result {
                5 => Err(io::ErrorKind::BrokenPipe.into()),
                _ => Ok(()),
            };
            let ended = run(items, jobs(count), |&item| item, |_, _| 0, each);
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert!(begun.load(Ordering::SeqCst) < 10 * AHEAD);
        }
    }
}
