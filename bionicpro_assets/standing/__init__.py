"""The eye on what stands: hours that were published are still there, as they were; and what is done if they are not."""
