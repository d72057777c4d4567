collect_ignore_glob = ["make_*.py"]  # these need packages that the tests do without
