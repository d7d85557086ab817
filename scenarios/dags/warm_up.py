"""Asks the DAG processor for a Variable: Airflow needs 4 to 9 seconds for the first one after its start."""

from airflow.sdk import DAG, Variable, task


def set_variable(context):
    """Leave a sign that the DAG processor's callbacks can reach Variables."""
    Variable.set("scenarios_are_warm", "yes")


with DAG("warm_up", on_success_callback=set_variable):

    @task
    def succeed():
        """Do nothing, well."""

    succeed()
