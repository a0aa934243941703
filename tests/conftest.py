"""What every test gets: hypothesis with seeded examples and no time limit for one (machines may be busy)."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")
