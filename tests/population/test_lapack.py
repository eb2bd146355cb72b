"""How many threads LAPACK has while a stack is trained."""

from threadpoolctl import threadpool_info

from tuner_app.population.backend import lapack


def test_a_decomposition_on_jax_keeps_to_its_thread(monkeypatch):
    monkeypatch.setattr(lapack, "on_jax", lambda: True)
    monkeypatch.setattr(lapack, "on_accelerator", lambda: False)

    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    with lapack.in_one_thread():  # finds the libraries
        pass
    before = threads()
    with lapack.in_one_thread():
        assert set(threads()) == {1}
    assert threads() == before
