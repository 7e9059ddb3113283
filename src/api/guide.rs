//! A guide: which pool for what, how programs for other pools are carried over, and the mistakes that pools invite.
#![doc = include_str!("../../docs/GUIDE.md")]
