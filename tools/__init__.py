"""What maintainers run on the repository; nothing here is part of the package."""
