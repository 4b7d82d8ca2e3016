//! In the container's init and in every exec'ed process, just before exec.
