import lab_plugin.simulation


def test_all_that_the_door_names_is_there_and_sorted():
    names = lab_plugin.simulation.__all__
    assert names == sorted(names)
    assert all(hasattr(lab_plugin.simulation, name) for name in names)
