"""Contract suites that the tests of other packages inherit; they need the extra `[test]` (docs/extending.md)."""
