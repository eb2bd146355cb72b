"""Where the `loss_weights` of a compiled model live: as they were given, and beside each loss."""

from dataclasses import dataclass

from keras import tree

from tuner_app.population.backend import vectorize
from tuner_app.population.models.building import light_building
from tuner_app.population.signatures.description import Site


@dataclass(frozen=True)
class LossWeightSite(Site):
    """A number among the loss weights, whose owner is Keras's CompileLoss.

    That copies them, beside its losses, when it sees the first targets and predictions.
    """

    @property
    def label(self) -> str:
        return f"loss_weights{self._inside}"

    def targets(self) -> list[Site]:
        loss = self.owner
        if not loss.built:
            return [self]
        paths = [path for path, _ in tree.flatten_with_path(loss._user_loss_weights)]
        mine = [i for i, weight in enumerate(_positions(loss)) if weight == paths.index(self.path)]
        weight = type(loss).Loss._fields.index("loss_weights")
        return [self, *(Site(loss, "_flat_losses", (i, weight)) for i in mine)]


def _positions(loss) -> list[float | None]:
    """For each of Keras's flat losses, which of the weights given it has, counted from zero.

    How they are matched is Keras's affair: it tells when it is given numbers in their place.
    """
    given = loss._user_loss_weights
    numbers = [float(i) for i in range(len(tree.flatten(given)))]
    told = type(loss)(
        loss._user_loss, tree.pack_sequence_as(given, numbers), output_names=loss.output_names
    )
    targets, predictions = (
        tree.map_structure(lambda _: 0, structure)
        for structure in (loss._y_true_build_structure, loss._y_pred_build_structure)
    )
    # It makes metrics, too, whose variables nobody wants.
    with light_building(), vectorize.outside_of_tracing():
        told.build(targets, predictions)
    return [flat.loss_weights for flat in told._flat_losses]
