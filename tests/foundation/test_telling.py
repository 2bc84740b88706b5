"""Lines that say how far a command is."""

from dglgan_tf.foundation import telling


def test_a_line_each_ten_seconds_with_the_time_left(capsys):
    now = [0.0]
    tell = telling.progress("judging", clock=lambda: now[0])
    for second in range(1, 41):
        now[0] = float(second)
        tell(25 * second, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "judging: 250 of 1,000 images, about 30 s left",
        "judging: 500 of 1,000 images, about 20 s left",
        "judging: 750 of 1,000 images, about 10 s left",
    ]


def test_short_work_says_nothing(capsys):
    tell = telling.progress("judging")
    tell(1, 2)
    tell(2, 2)
    assert capsys.readouterr().err == ""
