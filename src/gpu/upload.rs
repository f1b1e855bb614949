//! Bringing bytes of ordinary memory to the GPU.
//!
//! The GPU copies only locked memory by itself, so bytes are first copied there, by several threads where that pays: one
//! thread was seen to move 8 GB/s, an eighth of what the way to the GPU carries (16 lanes of the fifth generation). Each chunk is on its way as soon as
//! it is copied.

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{DeviceBuffer, Gpu, GpuError, PinnedBuffer};

/// Bytes that are sent to the GPU at once.
const CHUNK: usize = 256 * 1024;
/// Most threads that are chosen without being asked for.
const AUTOMATIC: usize = 4;

/// Threads that copy.
#[derive(Debug)]
pub(crate) struct Uploader {
    /// Those beside the caller's.
    helpers: Option<ThreadPool>,
    threads: usize,
}

impl Uploader {
    /// With so many threads, the caller's included; 0 chooses by the machine's cores.
    pub(crate) fn new(threads: usize) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { (cores / 4).clamp(1, AUTOMATIC) } else { threads };
        let named = |index| format!("roadproof-upload-{index}");
        let pool = || ThreadPoolBuilder::new().num_threads(threads - 1).thread_name(named).build();
        let helpers = (threads > 1).then(pool).transpose().map_err(|error| error.to_string())?;
        Ok(Self { helpers, threads })
    }

    /// Copies `bytes` to the beginning of `locked` and queues the way on to the beginning of `target`; both must be large
    /// enough, and the queue must be through with `locked` ([`Gpu::wait`]).
    pub(crate) fn upload(
        &self,
        gpu: &Gpu,
        bytes: &[u8],
        locked: &mut PinnedBuffer,
        target: &DeviceBuffer,
    ) -> Result<(), GpuError> {
        let (Some(address), Some(places)) =
            (target.at(0, bytes.len()), locked.bytes_mut().get_mut(..bytes.len()))
        else {
            return Err(super::stream::outside("uploading"));
        };
        let chunks = bytes.len().div_ceil(CHUNK);
        let share = chunks.div_ceil(self.threads).max(1) * CHUNK;
        let send = |index: usize, bytes: &[u8], places: &mut [u8]| {
            let mut address = address + (index * share) as u64;
            for (bytes, place) in bytes.chunks(CHUNK).zip(places.chunks_mut(CHUNK)) {
                place.copy_from_slice(bytes);
                gpu.send(place, address)?;
                address += bytes.len() as u64;
            }
            Ok(())
        };
        let mut shares = bytes.chunks(share).zip(places.chunks_mut(share)).enumerate();
        let Some((_, (first, first_places))) = shares.next() else { return Ok(()) };
        let Some(helpers) = self.helpers.as_ref().filter(|_| bytes.len() > share) else {
            return send(0, first, first_places);
        };
        let mut results = vec![Ok(()); self.threads];
        helpers.in_place_scope(|scope| {
            let mut slots = results.iter_mut();
            let own = slots.next();
            for ((index, (bytes, places)), result) in shares.zip(slots) {
                let send = &send;
                scope.spawn(move |_| *result = gpu.bind().and_then(|()| send(index, bytes, places)));
            }
            if let Some(own) = own {
                *own = send(0, first, first_places);
            }
        });
        results.into_iter().collect()
    }
}
