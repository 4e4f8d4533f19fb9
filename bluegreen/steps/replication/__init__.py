"""The actions of the step `replicate`: green's schema, and the stream that fills it."""
