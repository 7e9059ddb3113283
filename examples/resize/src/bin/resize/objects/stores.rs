//! The stores: one connection to each bucket, and calls that block.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use longshore_resize::Output;
use object_store::aws::AmazonS3Builder;
use object_store::{
    Attribute, Attributes, Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions, RetryConfig,
};
use tokio::runtime::Runtime;

use super::url::Url;

/// For so long a request is tried again that a store has not taken. Then the job is given back.
const RETRIES: Duration = Duration::from_secs(20);

/// The buckets that were asked for so far. Any thread may call.
pub struct Stores {
    runtime: Runtime,
    buckets: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>,
}

impl Stores {
    /// How to reach a store, and as which user, is told by the variables of the environment that all
    /// programs for S3 know: `AWS_ENDPOINT`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` ..
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new() -> Result<Stores> {
        // The first that is installed in a process stays; this one is as good as any other.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("objects").enable_all().build();
        let runtime = runtime.context("the system gives no thread")?;
        Ok(Stores { runtime, buckets: Mutex::default() })
    }

    /// With a bucket of a test.
    #[cfg(test)]
    pub fn of(bucket: &str, store: impl ObjectStore) -> Stores {
        let stores = Stores::new().expect("a thread");
        stores.buckets.lock().expect("no panic").insert(bucket.into(), Arc::new(store));
        stores
    }

    fn bucket(&self, name: &str) -> Result<Arc<dyn ObjectStore>, Error> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(name) {
            return Ok(Arc::clone(bucket));
        }
        let retries = RetryConfig { retry_timeout: RETRIES, ..RetryConfig::default() };
        let builder = AmazonS3Builder::from_env().with_bucket_name(name).with_retry(retries);
        let bucket: Arc<dyn ObjectStore> = Arc::new(builder.build()?);
        buckets.insert(name.into(), Arc::clone(&bucket));
        Ok(bucket)
    }

    /// What is known about an object; `None` if there is no such object.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub fn look(&self, url: &Url) -> Result<Option<ObjectMeta>, Error> {
        let bucket = self.bucket(&url.bucket)?;
        match self.runtime.block_on(bucket.head(&url.key)) {
            Ok(meta) => Ok(Some(meta)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects below a prefix, in the order of their keys.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub fn list(&self, prefix: &Url) -> Result<Vec<ObjectMeta>, Error> {
        let bucket = self.bucket(&prefix.bucket)?;
        let below = Some(&prefix.key).filter(|key| !key.as_ref().is_empty());
        let mut found: Vec<_> = self.runtime.block_on(bucket.list(below).try_collect())?;
        found.sort_by(|a: &ObjectMeta, b| a.location.cmp(&b.location));
        Ok(found)
    }

    /// An object whose size `check` has nothing against, and its content.
    ///
    /// # Errors
    /// That of `check`, or the store cannot be reached, or refuses.
    pub fn read<E: From<Error>>(
        &self,
        url: &Url,
        check: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<(ObjectMeta, Vec<u8>), E> {
        let bucket = self.bucket(&url.bucket)?;
        self.runtime.block_on(async {
            let answer = bucket.get(&url.key).await?;
            let meta = answer.meta.clone();
            check(meta.size)?;
            Ok((meta, answer.bytes().await?.into()))
        })
    }

    /// Makes or replaces an object, as a whole or not at all.
    ///
    /// # Errors
    /// The store cannot be reached, or refuses.
    pub fn write(&self, url: &Url, content: Vec<u8>, format: Output) -> Result<(), Error> {
        let bucket = self.bucket(&url.bucket)?;
        let kind = match format {
            Output::Jpeg => "image/jpeg",
            Output::Png => "image/png",
            Output::Webp => "image/webp",
            Output::Avif => "image/avif",
        };
        // What is shown by a browser, not saved.
        let attributes = Attributes::from_iter([(Attribute::ContentType, kind)]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.runtime.block_on(bucket.put_opts(&url.key, content.into(), options)).map(drop)
    }

    /// Reads parts of an object, as a decoder asks for them.
    pub fn reader<'a>(&'a self, url: &'a Url, size: u64) -> Reader<'a> {
        Reader { stores: self, url, size, at: 0 }
    }
}

/// An object as a file that can be read from any place on. Each call is a request: a buffer before it decides
/// how much is read at a time.
pub struct Reader<'a> {
    stores: &'a Stores,
    url: &'a Url,
    size: u64,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.size.min(self.at.saturating_add(buffer.len() as u64));
        if end <= self.at {
            return Ok(0);
        }
        let bucket = self.stores.bucket(&self.url.bucket)?;
        let bytes = self.stores.runtime.block_on(bucket.get_range(&self.url.key, self.at..end))?;
        // It may have been replaced by a shorter one meanwhile.
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the beginning");
        self.at = at.ok_or_else(before)?;
        Ok(self.at)
    }
}
