"""The tables of a study of ratings, each as a property of the study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from aisthesis.store.folder import StudyFolder

__all__ = ["StudyTables"]


class StudyTables:
    """What a study's folder holds as tables; each raises a RequestError while it is not there."""

    folder: StudyFolder

    def _table(self, path: Path, command: str = "") -> pd.DataFrame:
        raise NotImplementedError

    @property
    def property_correlations(self) -> pd.DataFrame:
        """`properties.csv`: correlation of people's ratings, and of predictions, for properties."""
        return self._table(self.folder.properties, "agree")

    @property
    def property_agreement(self) -> pd.DataFrame:
        """`properties_agreement.csv`: agreement of maps for two properties in each backbone."""
        return self._table(self.folder.properties_agreement, "agree")

    @property
    def property_differences(self) -> pd.DataFrame:
        """`properties_differences.csv`: paired differences between such agreements."""
        return self._table(self.folder.properties_differences, "agree")

    @property
    def predictions(self) -> pd.DataFrame:
        """`predictions.csv`."""
        return self._table(self.folder.predictions, "fit")

    @property
    def ridge_predictions(self) -> pd.DataFrame:
        """`ridge_predictions.csv`: the sanity line's predictions, as in `predictions.csv`."""
        return self._table(self.folder.ridge_predictions, "fit")

    @property
    def scores(self) -> pd.DataFrame:
        """`scores.csv`: prediction quality per backbone, head, seed and split."""
        return self._table(self.folder.scores, "fit")

    @property
    def prediction_differences(self) -> pd.DataFrame:
        """`prediction_differences.csv`: paired differences of networks' scores, and of heads'."""
        return self._table(self.folder.prediction_differences, "fit")

    @property
    def agreement(self) -> pd.DataFrame:
        """`agreement.csv`: a row per kind of map, metric and pair of backbones."""
        return self._table(self.folder.agreement, "agree")

    @property
    def agreement_images(self) -> pd.DataFrame:
        """`agreement_images.csv`: a row per image, kind of map, metric and pair of backbones."""
        return self._table(self.folder.agreement_images, "agree")

    @property
    def agreement_differences(self) -> pd.DataFrame:
        """`agreement_differences.csv`: paired differences of pairs, and of networks."""
        return self._table(self.folder.agreement_differences, "agree")

    @property
    def reliability(self) -> pd.DataFrame:
        """`reliability.csv`: agreement of each backbone with itself across seeds."""
        return self._table(self.folder.reliability, "agree")

    @property
    def baselines(self) -> pd.DataFrame:
        """`baselines.csv`: agreement of each backbone's maps with its layer's mean activation."""
        return self._table(self.folder.baselines, "agree")

    @property
    def variance(self) -> pd.DataFrame:
        """`variance.csv`: shares of the maps' variance between images, backbones and seeds."""
        return self._table(self.folder.variance, "agree")

    @property
    def clusters(self) -> pd.DataFrame:
        """`clusters.csv`: a row per merge of the backbones' hierarchical clustering."""
        return self._table(self.folder.clusters, "agree")

    @property
    def faithfulness(self) -> pd.DataFrame:
        """`faithfulness.csv`: whether each method's maps are true to their network."""
        return self._table(self.folder.faithfulness, "agree")

    @property
    def methods(self) -> pd.DataFrame:
        """`methods.csv`: agreement of every two methods on each backbone."""
        return self._table(self.folder.methods, "agree")

    @property
    def images(self) -> pd.DataFrame:
        """`images.csv`: consensus, controversy and predictions, image by image."""
        return self._table(self.folder.images, "agree")
