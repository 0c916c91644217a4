"""What the tests in Python share: each file has one subject.  Needs Python 3 only."""
